/**
 * Where a door behaves otherwise than bare grpc-js, on purpose.
 *
 * An entry is exact: `edit` turns bare's lanes into ours. One that no comparison needed fails the test, and so does a
 * difference that no entry explains.
 */
import type { Lanes } from './log.ts';
import type { TransportName } from './transports.ts';

export interface Deviation {
  /** Name of the scenario. */
  readonly scenario: string;
  /** Names of the doors that differ. */
  readonly doors: readonly string[];
  /** Default: on every transport that the scenario runs on. */
  readonly transports?: readonly TransportName[];
  /** Why this is better than what bare does, or why it cannot be helped. */
  readonly reason: string;
  readonly edit: (bare: Lanes) => Lanes;
}

/** Applies `change` to every line of the lanes named. */
function editLines(lanes: Lanes, names: readonly string[], change: (line: string, lane: string) => string): Lanes {
  return Object.fromEntries(
    Object.entries(lanes).map(([lane, lines]) => [lane, names.includes(lane) ? lines.map((line) => change(line, lane)) : lines]),
  );
}

export const deviations: readonly Deviation[] = [
  {
    scenario: 'asynchronous context reaches the callbacks, before there is a connection',
    doors: ['door 1', 'door 1, fused', 'door 2', 'door 2, kind unknown'],
    reason:
      "grpc-js runs the callbacks of all calls that waited for a connection in the first caller's context; a request's context in " +
      "another's callback is a leak, so ours bind each call's callbacks to its own.",
    edit: (bare) => editLines(bare, ['second', 'third'], (_line, lane) => `callback in "${lane}"`),
  },
  {
    scenario: 'a closed channel that is asked to connect',
    doors: ['door 2', 'door 2, kind unknown'],
    reason: 'A channel of grpc-js that was closed comes back to life when its state is asked for with `true`; ours stays closed.',
    edit: (bare) =>
      editLines(bare, ['channel'], (line) =>
        line.replace('createCall: undefined', 'createCall throws Error("Channel has been shut down")'),
      ),
  },
];
