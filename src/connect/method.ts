/**
 * What a method's descriptor says, in the form that the stack asks for.
 *
 * @packageDocumentation
 */
import type { DescMethod } from '@bufbuild/protobuf';
import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as Level } from '@bufbuild/protobuf/wkt';
import type { InmeshCallOptions } from '../call.ts';
import type { MethodDefinition } from '../grpc/client-call.ts';
import type { Mesh } from '../mesh.ts';

/** One method, as the calls of one mesh need it. */
export class ConnectMethod {
  readonly definition: MethodDefinition;
  readonly #declared: boolean;
  readonly #mesh: Mesh;
  #policy: Mesh['policy'] | undefined;
  #marks = false;

  constructor(method: DescMethod, mesh: Mesh) {
    this.definition = definitionOf(method);
    this.#declared = method.idempotency === Level.NO_SIDE_EFFECTS || method.idempotency === Level.IDEMPOTENT;
    this.#mesh = mesh;
  }

  /** The call's own wishes; the descriptor's `idempotency_level` among them where neither they nor the policy say anything. */
  optionsOf(own: InmeshCallOptions | undefined): InmeshCallOptions | undefined {
    if (!this.#declared || own?.idempotent !== undefined || !this.#isUnsaid()) return own;
    return own === undefined ? IDEMPOTENT : { ...own, ...IDEMPOTENT };
  }

  /** Asked once for each policy. */
  #isUnsaid(): boolean {
    const { policy } = this.#mesh;
    if (policy !== this.#policy) {
      const { values } = this.#mesh.explain(this.definition.path.slice(1));
      this.#marks = values.find(({ field }) => field === 'idempotent')?.origin === 'built-in';
      this.#policy = policy;
    }
    return this.#marks;
  }
}

const IDEMPOTENT: InmeshCallOptions = Object.freeze({ idempotent: true });

function definitionOf({ parent, name, methodKind, input, output }: DescMethod): MethodDefinition {
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message: Message) => Buffer.from(toBinary(input, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
  };
}
