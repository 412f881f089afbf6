/**
 * `inmesh bench`: bounded load on one unary method.
 *
 * @packageDocumentation
 */
import { resolve } from 'node:path';
import type { Mesh } from '../../mesh.ts';
import { duration, number, text, toggle } from '../args.ts';
import { type Command, command } from '../command.ts';
import { Exit, usageError } from '../exit.ts';
import { count, millis, percent, rate } from '../format.ts';
import { type Io, print } from '../io.ts';
import { type LoadResult, runLoad } from '../load.ts';
import { isLoopback } from '../loopback.ts';
import { protoFlag } from '../policy-source.ts';
import { json, safe } from '../text.ts';

/** The command. */
export const bench: Command = command({
  name: 'bench',
  usage: '--target HOST:PORT --method METHOD [flags]',
  about: [
    'Calls one unary method as fast as its answers come, from -c callers, for -d; then tells calls a second, latency and statuses. Plain grpc-js, or with --mesh the whole of inmesh in front, to compare.',
    'Only servers on this machine, unless --yes-remote: load on others is for their owners to allow. Without --proto each request is an empty message, which every method can read.',
  ],
  flags: {
    target: text('the server', 'TARGET', 't'),
    method: text('pkg.Service/Method, unary', 'METHOD', 'm'),
    proto: protoFlag,
    data: text('the request as JSON, with --proto [{}]', 'JSON'),
    callers: number('callers at a time', { min: 1, max: 1024, fallback: 64 }, 'c'),
    duration: duration('how long', { minMs: 100, maxMs: 60_000, fallback: 5000, shown: '5s' }, 'd'),
    deadline: duration('deadline of each call', { minMs: 1, maxMs: 60_000, fallback: 5000, shown: '5s' }),
    mesh: toggle('through inmesh, with its defaults'),
    config: text('through inmesh, with this policy', 'FILE'),
    tls: toggle('connect with TLS'),
    ca: text('root certificates for that, in PEM', 'FILE'),
    'yes-remote': toggle('the server is not on this machine, and may be loaded'),
    json: toggle('as JSON'),
  },
  examples: [
    ['inmesh bench -t 127.0.0.1:50051 -m shop.v1.Cart/GetItem --proto protos --data \'{"id": 1}\'', 'bare'],
    ['inmesh bench -t 127.0.0.1:50051 -m shop.v1.Cart/GetItem --mesh -c 1', 'one caller, with inmesh'],
  ],
  exits: '1 some calls failed; 3 the server is not there',
  async run({ values, words }, io) {
    if (words.length > 0) throw usageError(`expected no words, got ${words.length}`, 'a target goes with --target, a method with --method');
    const { target, config } = values;
    if (target === undefined) throw usageError('--target is missing', 'such as --target 127.0.0.1:50051');
    const method = values.method?.replace(/^\//, '');
    if (method === undefined || !/^[\w.]+\/\w+$/.test(method)) throw usageError('--method: expected pkg.Service/Method');
    if (!values['yes-remote'] && !isLoopback(target))
      throw usageError(`${target} is not on this machine`, 'if it may be loaded: --yes-remote');
    if (values.data !== undefined && values.proto.length === 0) throw usageError('--data needs --proto, which says how it is written');
    const [{ openMethod }, { ConfigError }] = await Promise.all([import('../bench-client.ts'), import('../../errors.ts')]);
    let mesh: Mesh | undefined;
    try {
      if (config !== undefined) mesh = await (await import('../../mesh.ts')).loadMesh(resolve(io.cwd, config));
      else if (values.mesh) mesh = (await import('../../mesh.ts')).createMesh();
    } catch (error) {
      if (error instanceof ConfigError) throw usageError(error.message);
      throw error;
    }
    const { proto, data = '{}', tls, ca, deadline } = values;
    const opened = await openMethod(io, { target, method, protos: proto, data, tls, ca, deadlineMs: deadline, mesh });
    try {
      const result = await runLoad(opened.send, values.callers, values.duration, io.clock, io.signal);
      if (values.json) io.out(`${json({ target, method, callers: values.callers, mesh: mesh !== undefined, ...result }, 2)}\n`);
      else
        print(
          io,
          lines(result, io, `${safe(method)} at ${safe(target)}, ${values.callers} callers, ${mesh === undefined ? 'grpc-js' : 'inmesh'}`),
        );
      return result.failed === 0 ? Exit.ok : Exit.problems;
    } finally {
      opened.close();
      await mesh?.close(0);
    }
  },
});

function lines({ calls, failed, seconds, callsPerSecond, latencyMs, byStatus }: LoadResult, io: Io, what: string): string[] {
  const { p50, p90, p99, max } = latencyMs;
  const statuses = Object.entries(byStatus).sort(([, a], [, b]) => b - a);
  return [
    io.style('strong', what),
    `${rate(callsPerSecond)} calls/s: ${count(calls)} in ${seconds.toFixed(1)} s`,
    `latency p50 ${millis(p50)}, p90 ${millis(p90)}, p99 ${millis(p99)}, max ${millis(max)}`,
    ...(failed === 0 ? [] : [io.style('bad', `${percent(failed / calls)} failed`)]),
    ...statuses.map(([name, times]) => `  ${safe(name)} ${count(times)}`),
  ];
}
