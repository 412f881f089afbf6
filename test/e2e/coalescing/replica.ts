/**
 * One replica as a process of its own. It notes the id of every call that its handler runs, before anything else, in a file
 * that outlives it: the test's word for what has been executed.
 */
import { openSync, writeSync } from 'node:fs';
import { Server, type ServerOptions } from '@grpc/grpc-js';
import { MeshServer } from '../../../src/mesh-server.ts';
import { serve } from '../../support/loopback.ts';

/** What a replica is. */
export interface ReplicaConfig {
  /** `plain`: grpc-js's own server, which has never heard of batches. */
  readonly kind: 'mesh' | 'plain';
  /** 0: any. */
  readonly port: number;
  /** The file that takes the ids, a line each. */
  readonly log: string;
  readonly options?: ServerOptions;
}

/** What a replica tells. `stopped`: `tryShutdown()` took so long. */
export type FromReplica = { readonly kind: 'listening'; readonly port: number } | { readonly kind: 'stopped'; readonly tookMs: number };

/** No replica outlives its test for long, whatever happens to the test. */
const LIFE_MS = 60_000;

const { kind, port, log, options = {} } = JSON.parse(process.argv[2] ?? '{}') as ReplicaConfig;
const file = openSync(log, 'a');
const server = kind === 'mesh' ? new MeshServer(options) : new Server(options);

const running = await serve({
  server,
  port,
  handlers: {
    // A call is an id and how long it takes: "r17 5".
    say: (call, callback) => {
      const [id, takesMs] = call.request.text.split(' ');
      writeSync(file, `${id}\n`);
      const answer = (): void => callback(null, { text: `${id}` });
      if (Number(takesMs) > 0) setTimeout(answer, Number(takesMs));
      else answer();
    },
  },
});
const tell = (message: FromReplica, then?: () => void): void => void process.send?.(message, () => then?.());

process.on('message', () => {
  const sinceMs = performance.now();
  server.tryShutdown(() => tell({ kind: 'stopped', tookMs: performance.now() - sinceMs }, () => process.exit(0)));
});
process.on('disconnect', () => process.exit(0));
setTimeout(() => process.exit(1), LIFE_MS).unref();
tell({ kind: 'listening', port: running.port });
