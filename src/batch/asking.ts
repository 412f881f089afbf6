/**
 * When a plain call asks its server whether it takes batches. The question and the answer are a header each, so it is put
 * while something is to be learned, and now and then after that.
 *
 * @packageDocumentation
 */

/** Every so many calls one asks although nothing new is expected: servers change. */
const REFRESH = 64;
/** So many answers without a word, and only one call in {@link SPARSE} asks: these servers have no inmesh. */
const SILENT = 64;
const SPARSE = 16;

export class Asking {
  #calls = 0;
  #silent = 0;
  #learnedOf: readonly unknown[] | undefined;

  /**
   * Whether the call that is made now asks.
   *
   * @param endpoints - Those of the channel; the same array as long as they are the same. Undefined: not told apart.
   * @param isKnown - Whether an endpoint has answered the question.
   */
  asks<E>(endpoints: readonly E[] | undefined, any: boolean, isKnown: (endpoint: E) => boolean): boolean {
    const turn = this.#calls++;
    if (turn % REFRESH === 0) return true;
    if (!any) return this.#silent < SILENT || turn % SPARSE === 0;
    if (endpoints === undefined) return false;
    if (endpoints === this.#learnedOf) return false;
    if (this.#silent >= SILENT && turn % SPARSE !== 0) return false;
    if (!endpoints.every(isKnown)) return true;
    this.#learnedOf = endpoints;
    return false;
  }

  /** A call that may have asked was answered, with a word about batches or without. */
  answered(said: boolean): void {
    this.#silent = said ? 0 : this.#silent + 1;
  }

  /** Something that was known no longer holds. */
  forget(): void {
    this.#learnedOf = undefined;
    this.#silent = 0;
  }
}
