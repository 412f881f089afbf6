/**
 * The same handler without its definition: messages cross as cloned objects.
 *
 * @packageDocumentation
 */
export { Say } from './workers-handler.ts';
