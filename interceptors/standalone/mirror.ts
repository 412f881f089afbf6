/**
 * The mirror on its own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { ChannelInterface, Interceptor, ServiceDefinition } from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { RawChannel } from '../../src/grpc/channel-door.ts';
import type { Door } from '../../src/grpc/client-call.ts';
import { MethodCodecs } from '../../src/grpc/codecs.ts';
import { detachedClock } from '../../src/grpc/detached.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { show } from '../../src/input/show.ts';
import { Mirror, type MirrorStats, Mirrors } from '../../src/mirror/mirrors.ts';
import { type MirrorOptions, resolveMirror } from '../../src/mirror/options.ts';
import { systemRandom } from '../../src/random.ts';
import { mirrorClient } from '../mirror.ts';
import { placed } from '../pipeline.ts';

/** Options of {@link mirrorInterceptor}. */
export interface MirrorInterceptorOptions extends MirrorOptions {
  /** Where the copies go: `() => other.getChannel()`. */
  readonly channel: () => ChannelInterface;
  /** Needed with `compare`: services as generated code has them (`[Greeter.service]`). */
  readonly services?: readonly ServiceDefinition[];
}

/** An interceptor with its numbers. */
export interface MirrorInterceptor extends Interceptor {
  stats(): MirrorStats;
}

/** Sends copies of unary calls to another channel, whose answers nobody gets. @throws ConfigError on a bad option. */
export function mirrorInterceptor(options: MirrorInterceptorOptions): MirrorInterceptor {
  const { channel, services, ...own } = options;
  if (typeof channel !== 'function') throw new ConfigError('mirror.channel', `expected () => client.getChannel(), got ${show(channel)}`);
  const rules = resolveMirror(own, 'mirror');
  if (rules.compare && services === undefined)
    throw new ConfigError('mirror.compare', 'expected services beside it, to read the answers: { services: [Greeter.service] }');
  const mirror = new Mirror('', rules, systemRandom);
  let door: Door | undefined;
  const intercept = mirrorClient({
    mirrors: new Mirrors([mirror]),
    clock: detachedClock(systemClock),
    codecs: new MethodCodecs(services, 'mirror.services'),
    wayTo: (info) => {
      door ??= { ...info.door, target: channel().getTarget(), channel: new RawChannel(channel(), systemClock) };
      return door;
    },
    warn: (line) => process.emitWarning(line, 'InmeshWarning'),
  });
  return Object.assign(asInterceptor(placed('mirror', intercept)), { stats: () => mirror.stats() });
}
