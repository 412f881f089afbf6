/**
 * The 14 standard cases, in the order of the public descriptions (grpc/doc/interop-test-descriptions.md), which say what
 * is sent and what must come back.
 */
import type { Clients } from './contract.ts';
import * as stream from './stream-cases.ts';
import * as unary from './unary-cases.ts';

/** One case, as every gRPC implementation runs it. */
export interface InteropCase {
  /** Its public name, which is also the `--test_case` of other implementations' clients. */
  readonly name: string;
  /** Runs it once as described; throws when something is not as it must be. */
  run(clients: Clients): Promise<void>;
  /** Its unary part with messages small enough to share a batch; absent where nothing is unary or no server answers. */
  readonly joinable?: (clients: Clients) => Promise<void>;
}

/** Message sizes of joinable calls against those of the descriptions: 32 requests stay far below a batch's 512 KiB. */
const SMALL = 0.01;

async function both(clients: Clients, ...parts: readonly ((clients: Clients) => Promise<void>)[]): Promise<void> {
  for (const part of parts) await part(clients);
}

export const CASES: readonly InteropCase[] = [
  { name: 'empty_unary', run: unary.emptyUnary, joinable: unary.emptyUnary },
  { name: 'large_unary', run: (c) => unary.largeUnary(c), joinable: (c) => unary.largeUnary(c, SMALL) },
  { name: 'client_streaming', run: stream.clientStreaming },
  { name: 'server_streaming', run: stream.serverStreaming },
  { name: 'ping_pong', run: stream.pingPong },
  { name: 'empty_stream', run: stream.emptyStream },
  { name: 'timeout_on_sleeping_server', run: stream.timeoutOnSleepingServer },
  { name: 'cancel_after_begin', run: stream.cancelAfterBegin },
  { name: 'cancel_after_first_response', run: stream.cancelAfterFirstResponse },
  { name: 'status_code_and_message', run: (c) => both(c, unary.unaryStatus, stream.duplexStatus), joinable: unary.unaryStatus },
  { name: 'special_status_message', run: unary.specialStatusMessage, joinable: unary.specialStatusMessage },
  { name: 'unimplemented_method', run: unary.unimplementedMethod },
  { name: 'unimplemented_service', run: unary.unimplementedService },
  {
    name: 'custom_metadata',
    run: (c) => both(c, (one) => unary.unaryCustomMetadata(one), stream.duplexCustomMetadata),
    joinable: (c) => unary.unaryCustomMetadata(c, SMALL),
  },
];

/** Longest time that one case may take; none needs a hundredth of it. */
const CASE_TIMEOUT_MS = 20_000;

/** Runs a case; gives undefined when it passed, else what was wrong in one line. */
export async function problemOf(run: () => Promise<unknown>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${CASE_TIMEOUT_MS / 1000} s`)), CASE_TIMEOUT_MS);
  });
  try {
    await Promise.race([run(), late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n').slice(0, 6).join(' ') : String(error);
  } finally {
    clearTimeout(timer);
  }
}
