/**
 * How the LB policy of a channel is told how to find and watch its endpoints: by a channel option of ours.
 *
 * @packageDocumentation
 */
import { type ChannelOptions, experimental } from '@grpc/grpc-js';
import { type Clock, systemClock } from '../clock.ts';
import { type EndpointOptions, type EndpointRules, resolveEndpointOptions } from '../endpoints/options.ts';
import { type Random, systemRandom } from '../random.ts';

/** The prefix keeps the option out of the subchannel's arguments, where an object would defeat the sharing of connections. */
const SETTINGS_OPTION = `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}inmesh.endpoints`;

/** How the policy of one channel finds and watches its endpoints. */
export interface EndpointSettings {
  readonly rules: EndpointRules;
  readonly clock: Clock;
  readonly random: Random;
}

/** Settings with the given options on the real clock. @throws ConfigError on bad options. */
export function newSettings(options?: EndpointOptions, path = 'endpoints'): EndpointSettings {
  return { rules: resolveEndpointOptions(options, path), clock: systemClock, random: systemRandom };
}

/** Channel option with the settings of the policy. Without it the defaults hold. */
export function settingsOption(settings: EndpointSettings): ChannelOptions {
  return { [SETTINGS_OPTION]: settings };
}

/** The settings among these options, or the defaults. */
export function settingsOf(options: ChannelOptions): EndpointSettings {
  const given: unknown = options[SETTINGS_OPTION];
  return isSettings(given) ? given : newSettings();
}

function isSettings(value: unknown): value is EndpointSettings {
  return typeof value === 'object' && value !== null && 'rules' in value && 'clock' in value && 'random' in value;
}
