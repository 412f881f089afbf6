/**
 * Stands for what `protoc --js_out` writes: message classes with getters, setters and `serializeBinary`. The real ones extend
 * `jspb.Message` of google-protobuf; to grpc-js and to the mesh they look the same.
 */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** A message whose only field is a string with number 1. */
class OneText {
  protected text = '';

  serializeBinary(): Uint8Array {
    const writer = new BinaryWriter();
    if (this.text !== '') writer.uint32(10).string(this.text);
    return writer.finish();
  }
  protected read(bytes: Uint8Array): this {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field === 1) this.text = reader.string();
      else reader.skip(wire);
    }
    return this;
  }
}

export class HelloRequest extends OneText {
  static deserializeBinary(bytes: Uint8Array): HelloRequest {
    return new HelloRequest().read(bytes);
  }
  getName(): string {
    return this.text;
  }
  setName(name: string): this {
    this.text = name;
    return this;
  }
}

export class HelloReply extends OneText {
  static deserializeBinary(bytes: Uint8Array): HelloReply {
    return new HelloReply().read(bytes);
  }
  getMessage(): string {
    return this.text;
  }
  setMessage(message: string): this {
    this.text = message;
    return this;
  }
}
