/**
 * The picker behind grpc-js's LB policy, and how an attempt talks to it.
 *
 * An attempt's context travels as a property of the metadata's options: `Metadata.clone` keeps them, so the picker meets the
 * same object on every try that grpc-js makes below us, and nothing of it reaches the wire.
 *
 * @packageDocumentation
 */
import { experimental, Metadata, type MetadataOptions, type StatusObject } from '@grpc/grpc-js';
import type { Endpoint } from '../balance/endpoint.ts';
import type { Endpoints } from '../balance/endpoints.ts';
import { Code, isBusy, outcomeOf } from '../call.ts';
import type { Clock } from '../clock.ts';
import { TIMEOUT_KEY, timeoutText } from '../deadline/wire-timeout.ts';
import { REASON_KEY, UNPROCESSED_KEY } from '../errors.ts';
import type { AttemptContext } from './client-call.ts';

type AttemptOptions = MetadataOptions & { readonly inmesh?: AttemptContext | undefined };

/** No literal (see `CallFacts`). */
class MarkedOptions implements AttemptOptions {
  inmesh: AttemptContext | undefined = undefined;
}

/** Makes `attempt` reach the picker with this metadata and all its clones. */
export function withAttempt(metadata: Metadata, attempt: AttemptContext): void {
  const options = Object.assign(new MarkedOptions(), metadata.getOptions());
  options.inmesh = attempt;
  metadata.setOptions(options);
}

/** The attempt that this metadata was given, if any. */
export function attemptOf(metadata: Metadata): AttemptContext | undefined {
  const options: AttemptOptions = metadata.getOptions();
  return options.inmesh;
}

/** How the picker reaches the connection of an endpoint. */
export interface Connections {
  leafAt(address: string): { getPicker(): experimental.Picker } | undefined;
}

/** Chooses an endpoint for each call while at least one is ready. */
export class BookPicker implements experimental.Picker {
  readonly #book: Endpoints;
  readonly #connections: Connections;
  readonly #clock: Clock;

  constructor(book: Endpoints, connections: Connections, clock: Clock) {
    this.#book = book;
    this.#connections = connections;
    this.#clock = clock;
  }
  pick(args: experimental.PickArgs): experimental.PickResult {
    const attempt = attemptOf(args.metadata);
    if (attempt?.over === true) return OVER;
    attempt?.watch?.picking();
    if (attempt?.pin !== undefined) return this.#pickPinned(attempt.pin, attempt, args);
    const endpoint = this.#book.pick(attempt?.avoid);
    if (endpoint !== undefined) return this.#pickEndpoint(endpoint, attempt, args);
    return this.#book.full ? dropFull() : QUEUE;
  }
  #pickPinned(pin: string, attempt: AttemptContext, args: experimental.PickArgs): experimental.PickResult {
    const endpoint = this.#book.find(pin);
    if (endpoint?.ready !== true) return dropPinned(pin);
    if (!attempt.counted) endpoint.reserve();
    const result = this.#pickEndpoint(endpoint, attempt, args);
    return result === LATE || result.pickResultType === experimental.PickResultType.COMPLETE ? result : dropPinned(pin);
  }
  #pickEndpoint(endpoint: Endpoint, attempt: AttemptContext | undefined, args: experimental.PickArgs): experimental.PickResult {
    const result = this.#connections.leafAt(endpoint.address)?.getPicker().pick(args) ?? QUEUE;
    if (result.pickResultType !== experimental.PickResultType.COMPLETE) return result;
    if (attempt !== undefined) {
      attempt.picked = endpoint.address;
      if (attempt.timed !== undefined) {
        const leftMs = attempt.timed.leftMs();
        if (leftMs <= 0) return LATE;
        args.metadata.set(TIMEOUT_KEY, timeoutText(leftMs));
      }
    }
    return new PickedCall(result, endpoint, attempt, this.#clock);
  }
}

/** While no endpoint is ready: a pinned call is dropped, every other goes on to grpc-js's own picker for the state. */
export class UnreadyPicker implements experimental.Picker {
  readonly #inner: experimental.Picker;

  constructor(inner: experimental.Picker) {
    this.#inner = inner;
  }
  pick(args: experimental.PickArgs): experimental.PickResult {
    const attempt = attemptOf(args.metadata);
    if (attempt?.over === true) return OVER;
    attempt?.watch?.picking();
    const pin = attempt?.pin;
    return pin === undefined ? this.#inner.pick(args) : dropPinned(pin);
  }
}

/** Wait for the next picker. */
const QUEUE: experimental.PickResult = {
  pickResultType: experimental.PickResultType.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
};

/** For a call that has ended already. */
const OVER: experimental.PickResult = {
  pickResultType: experimental.PickResultType.DROP,
  subchannel: null,
  status: { code: Code.CANCELLED, details: 'inmesh: the call ended before it was sent', metadata: new Metadata() },
  onCallStarted: null,
  onCallEnded: null,
};

/** For a call whose time is over: its handler shall not run. */
const LATE: experimental.PickResult = {
  ...OVER,
  status: { code: Code.DEADLINE_EXCEEDED, details: 'Deadline exceeded', metadata: new Metadata() },
};

/** More than policy lets out to the endpoints. DROP: grpc-js would hold it back for a wait-for-ready call, for how long nobody knows. */
function dropFull(): experimental.PickResult {
  return drop(
    Code.RESOURCE_EXHAUSTED,
    'client.balance/endpoints-full',
    'every endpoint has all the calls that it may have (balance.maxInFlight)',
  );
}

/** Never queued: who pinned it has other endpoints to go to. DROP, because grpc-js must not retry it either. */
function dropPinned(pin: string): experimental.PickResult {
  return drop(Code.UNAVAILABLE, 'client.balance/pin-not-ready', `pinned endpoint ${pin} is not ready`);
}

function drop(code: number, reason: string, details: string): experimental.PickResult {
  const metadata = new Metadata();
  metadata.set(REASON_KEY, reason);
  metadata.set(UNPROCESSED_KEY, '1');
  const status: StatusObject = { code, details: `inmesh: ${details}`, metadata };
  return { pickResultType: experimental.PickResultType.DROP, subchannel: null, status, onCallStarted: null, onCallEnded: null };
}

/** One call on its way to one endpoint. grpc-js may call neither callback (abandoned pick), or both, in order. */
class PickedCall implements experimental.PickResult {
  readonly pickResultType: experimental.PickResultType = experimental.PickResultType.COMPLETE;
  readonly subchannel: experimental.SubchannelInterface | null;
  readonly status: null = null;
  readonly onCallStarted: () => void;
  readonly onCallEnded: (code: number, details: string, metadata: Metadata) => void;

  constructor(inner: experimental.PickResult, endpoint: Endpoint, attempt: AttemptContext | undefined, clock: Clock) {
    this.subchannel = inner.subchannel;
    const streaming = attempt?.streaming === true;
    let startedMs = 0;
    let counted = false;
    this.onCallStarted = () => {
      if (attempt !== undefined) {
        attempt.started = true;
        attempt.watch?.started();
      }
      inner.onCallStarted?.();
      if (attempt?.counted === true) return;
      counted = true;
      startedMs = clock.nowMs();
      if (streaming) endpoint.startedStream();
      else endpoint.started(1, startedMs);
    };
    this.onCallEnded = (code, details, trailers) => {
      inner.onCallEnded?.(code, details, trailers);
      if (!counted) return;
      counted = false;
      // How long a stream lasts says nothing, so neither does its deadline.
      const expired = streaming && code === Code.DEADLINE_EXCEEDED;
      const outcome = attempt?.timedOut === true || expired ? 'ignored' : outcomeOf(code);
      const nowMs = clock.nowMs();
      const dropped = outcome === 'dropped';
      if (streaming) endpoint.endedStream(nowMs, outcome === 'ignored' ? undefined : dropped);
      else endpoint.ended(nowMs, outcome === 'ignored' ? undefined : nowMs - startedMs, dropped, isBusy(code));
    };
  }
}
