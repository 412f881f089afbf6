/** A replica's process: the Atlas service on a given server, with a fault switch and a graceful stop over IPC. */
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { atlasDefinition } from './atlas.ts';
import { type ReplicaConfig, type ToReplica, tell } from './messages.ts';
import { atlasHandlers } from './service.ts';
import { Storage } from './storage.ts';
import { telemetry } from './telemetry.ts';

/** How long a graceful stop may take before the rest is cut off. */
const STOP_MS = 10_000;

/** Serves the Atlas on `server` until the runner says stop or goes away. */
export function serveAtlas(server: Server): void {
  const config = JSON.parse(process.argv[2] ?? '{}') as ReplicaConfig;
  const storage = new Storage(config);
  let base = process.cpuUsage();

  const stop = (): void => {
    server.tryShutdown(() => void exitWithSample());
    setTimeout(() => server.forceShutdown(), STOP_MS).unref();
  };
  const sample = (): number => {
    const used = process.cpuUsage(base);
    return used.user + used.system;
  };
  const exitWithSample = async (): Promise<void> => {
    const cpuUs = sample();
    await telemetry()?.flush();
    process.send?.({ kind: 'sample', cpuUs }, () => process.exit(0));
  };

  server.addService(atlasDefinition, atlasHandlers(storage));
  server.bindAsync(`127.0.0.1:${config.port}`, ServerCredentials.createInsecure(), (error) => {
    base = process.cpuUsage();
    if (error === null) tell({ kind: 'listening' });
    else tell({ kind: 'failed', problem: error.message });
  });

  process.on('message', (message: ToReplica) => {
    if (message.kind === 'slow') storage.slowDown(message.factor);
    else if (message.kind === 'sample') tell({ kind: 'sample', cpuUs: sample() });
    else stop();
  });
  // The runner is gone, however it went: no orphan stays.
  process.on('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {}); // Ctrl-C reaches the whole group; the runner decides.
}
