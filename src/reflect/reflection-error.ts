/**
 * Why nothing was learned by server reflection.
 *
 * @packageDocumentation
 */

/** A server did not answer, has no reflection, or said what makes no sense. Nothing of its texts is in the message but names, shortened. */
export class ReflectionError extends Error {
  override readonly name = 'ReflectionError';
  readonly code = 'INMESH_REFLECTION';
}
