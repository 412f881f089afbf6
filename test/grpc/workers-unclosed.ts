/** Calls a handler in a thread, without a server, and closes nothing. */
import { EventEmitter } from 'node:events';
import { type handleUnaryCall, Metadata, type ServerUnaryCall } from '@grpc/grpc-js';
import { createMesh } from '../../src/index.ts';
import { echoDefinition, type Message } from '../support/loopback.ts';

const workers = createMesh().workers({ module: new URL('workers-module.ts', import.meta.url), threads: 2 });
const say = workers.handlers(echoDefinition)['say'] as handleUnaryCall<Message, Message>;
const call = Object.assign(new EventEmitter(), {
  request: { text: 'hello' },
  metadata: new Metadata(),
  cancelled: false,
  getPeer: () => 'peer',
  getHost: () => 'host',
  getDeadline: () => Number.POSITIVE_INFINITY,
});
say(call as unknown as ServerUnaryCall<Message, Message>, (_error, value) => {
  process.stdout.write(`${value?.text}\n`);
});
