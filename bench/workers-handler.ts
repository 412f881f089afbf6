/**
 * The handler that `bench/workers.ts` measures: so much work and no more, the same in every thread.
 *
 * @packageDocumentation
 */
import { workerData } from 'node:worker_threads';
import { Echo, type Msg } from './echo.ts';

/** Steps of work for one call; the threads get it as their data. */
export interface Work {
  readonly steps: number;
}

/** Its definition, so that messages cross as bytes. */
export const service: unknown = Echo.service;

let sink = 0;

/** Steps between two looks at how much is left: one long loop is code that V8 replaces while it runs, and throws away at its end. */
const RUN = 10_000;

function run(from: number): number {
  let state = from;
  for (let i = 0; i < RUN; i++) state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state;
}

/** Work that is counted in steps and not in time, so that a thread which waits for a core does less of it. */
export function work(steps: number): number {
  let state = 1;
  for (let done = 0; done < steps; done += RUN) state = run(state);
  sink ^= state;
  return sink;
}

const { steps }: Work = (workerData as Work | null) ?? { steps: 0 };

/** Echo, after the work. */
export function Say(call: { readonly request: Msg }): Msg {
  work(steps);
  return call.request;
}
