/**
 * One stream of server reflection: questions, and answers in their order.
 *
 * @packageDocumentation
 */
import { type ClientDuplexStream, type StatusObject, status } from '@grpc/grpc-js';
import { WireError } from '../batch/wire.ts';
import { codeName } from '../call.ts';
import { quote } from '../input/show.ts';
import { type Answer, type Question, readAnswer, writeQuestion } from '../reflect/messages.ts';
import { ReflectionError } from '../reflect/reflection-error.ts';

/** The stream's own end, before the last answer. */
export class StreamEnd extends ReflectionError {
  readonly status: number;
  constructor({ code, details }: StatusObject) {
    super(code === status.OK ? 'the server ended the stream without an answer' : `${codeName(code)}: ${quote(details)}`);
    this.status = code;
  }
}

/** What of a call is used here. */
type Stream = Pick<ClientDuplexStream<Buffer, Buffer>, 'on' | 'write' | 'cancel'>;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** Questions and their answers, in order. */
export class ReflectionStream {
  readonly #call: Stream;
  readonly #maxEntries: number;
  readonly #waiting: Waiting[] = [];
  #failure: unknown;

  /** @param maxEntries - Most files or names in one answer. */
  constructor(call: Stream, maxEntries: number) {
    this.#call = call;
    this.#maxEntries = maxEntries;
    call.on('data', (bytes: Buffer) => this.#take(bytes));
    call.on('error', () => {}); // told by its status
    call.on('status', (end: StatusObject) => this.#fail(new StreamEnd(end)));
  }

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#call.write(writeQuestion(question));
    });
  }

  close(): void {
    this.#call.cancel();
  }

  #take(bytes: Buffer): void {
    const next = this.#waiting.shift();
    try {
      if (next === undefined) throw new ReflectionError('the server answers what nobody asked');
      next.resolve(readAnswer(bytes, this.#maxEntries));
    } catch (error) {
      const told = error instanceof WireError ? new ReflectionError(`an answer can't be read: ${error.message}`) : error;
      next?.reject(told);
      this.#fail(told);
      this.#call.cancel();
    }
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
