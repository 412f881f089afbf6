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

/** Applies `change` to every line of the lanes named; default: of all. */
function editLines(lanes: Lanes, change: (line: string, lane: string) => string, names: readonly string[] = Object.keys(lanes)): Lanes {
  return Object.fromEntries(
    Object.entries(lanes).map(([lane, lines]) => [lane, names.includes(lane) ? lines.map((line) => change(line, lane)) : lines]),
  );
}

/** Replaces a status's details and (empty) metadata wherever they are told. */
function restate(line: string, before: string, after: string, reason: string): string {
  return line
    .replaceAll(before, after)
    .replace('metadata={}', `metadata={inmesh-reason=${reason}}`)
    .replace('metadata: {}', `metadata: {inmesh-reason=${reason}}`);
}

const EMPTY_DOORS = ['door 1', 'door 1, fused', 'door 2', 'door 2, kind unknown'];
const WRAPPED = ['wrap', 'wrap, listed'];
const MESH_CLIENTS = ['mesh.client()', 'mesh.interceptors()', ...WRAPPED];

const NO_CONNECTION = 'No connection established. Last error: ';
const BALANCED_REASON = 'The error of our balancer names itself and repeats what its only endpoint said.';

const LATE = 'inmesh: the deadline was over before the call was made';
const LATE_REASON =
  'A call that is late when it is made can only fail, so the mesh refuses it at once and spares the server; who refused is said.';

/** Leaves out what bare says of a call after its status. */
function nothingAfterStatus(lanes: Lanes): Lanes {
  return Object.fromEntries(
    Object.entries(lanes).map(([lane, lines]) => {
      let ended = false;
      const kept = lines.filter((line) => {
        if (/^(status|onReceiveStatus) /.test(line)) ended = true;
        else if (/^(made for|start) /.test(line)) ended = false;
        return !ended || !/^(metadata|onReceiveMetadata|onReceiveMessage) /.test(line);
      });
      return [lane, kept];
    }),
  );
}

const CANCELLED_AT_ONCE =
  'grpc-js sends a call that was cancelled in the turn it was made in, never ends it, and hands what comes back to a caller that has ' +
  'had its status; ours says nothing after the status';

export const deviations: readonly Deviation[] = [
  {
    scenario: 'asynchronous context reaches the callbacks, before there is a connection',
    doors: [...EMPTY_DOORS, ...MESH_CLIENTS],
    reason:
      "grpc-js runs the callbacks of all calls that waited for a connection in the first caller's context; a request's context in " +
      "another's callback is a leak, so ours bind each call's callbacks to its own.",
    edit: (bare) => editLines(bare, (_line, lane) => `callback in "${lane}"`, ['second', 'third']),
  },
  {
    scenario: 'a closed channel that is asked to connect',
    doors: ['door 2', 'door 2, kind unknown', 'mesh.client()', ...WRAPPED],
    reason: 'A channel of grpc-js that was closed comes back to life when its state is asked for with `true`; ours stays closed.',
    edit: (bare) =>
      editLines(bare, (line) => line.replace('createCall: undefined', 'createCall throws Error("Channel has been shut down")')),
  },
  {
    scenario: 'no server at the address',
    doors: MESH_CLIENTS,
    reason: BALANCED_REASON,
    edit: (bare) => editLines(bare, (line) => line.replaceAll(NO_CONNECTION, `inmesh_peak_ewma: ${NO_CONNECTION}${NO_CONNECTION}`)),
  },
  {
    scenario: 'wait-for-ready waits for a server that starts late',
    doors: MESH_CLIENTS,
    reason: BALANCED_REASON,
    edit: (bare) => editLines(bare, (line) => line.replaceAll(NO_CONNECTION, `inmesh_peak_ewma: ${NO_CONNECTION}${NO_CONNECTION}`)),
  },
  {
    scenario: 'a deadline in the past',
    doors: MESH_CLIENTS,
    reason: LATE_REASON,
    edit: ({ 'server unary': _spared, ...bare }) =>
      editLines(bare, (line) => restate(line, 'Deadline exceeded after #s,remote_addr=HOST:PORT', LATE, 'client.deadline/late')),
  },
  {
    scenario: 'a deadline in the past, before there is a connection',
    doors: MESH_CLIENTS,
    reason: LATE_REASON,
    edit: (bare) =>
      editLines(bare, (line) => restate(line, 'Deadline exceeded after #s,waiting for name resolution', LATE, 'client.deadline/late')),
  },
  {
    scenario: 'a deadline in the past',
    doors: ['mesh server'],
    reason: 'A server of ours does not run the handler of a call whose deadline is over when it arrives: nobody waits for the answer.',
    edit: ({ 'server unary': _spared, ...bare }) => bare,
  },
  {
    scenario: 'the retry policy of a service config',
    doors: MESH_CLIENTS,
    reason:
      "The mesh takes a client's retry policy over, under its own rule: a call that the server may have processed is sent again only " +
      'if its method is marked idempotent.',
    edit: (bare) => ({
      client: (bare['client'] ?? []).map((line) => line.replace(' grpc-previous-rpc-attempts=2', '')),
      server: (bare['server'] ?? []).slice(0, 1),
    }),
  },
  {
    scenario: 'cancel in the same turn, warm',
    doors: [...EMPTY_DOORS, ...MESH_CLIENTS],
    reason: `${CANCELLED_AT_ONCE}.`,
    edit: nothingAfterStatus,
  },
  {
    scenario: 'cancel twice',
    doors: [...EMPTY_DOORS, ...MESH_CLIENTS],
    reason: `${CANCELLED_AT_ONCE}.`,
    edit: nothingAfterStatus,
  },
  {
    scenario: 'the interceptors of an application see the same events',
    doors: EMPTY_DOORS,
    reason: `${CANCELLED_AT_ONCE}.`,
    edit: nothingAfterStatus,
  },
  {
    scenario: 'the interceptors of an application see the same events',
    doors: MESH_CLIENTS,
    reason: `${CANCELLED_AT_ONCE}, and where the balancing is ours the call is not sent at all.`,
    edit: (bare) => {
      const lanes = nothingAfterStatus(bare);
      return { ...lanes, server: (lanes['server'] ?? []).slice(0, -2) };
    },
  },
];
