/**
 * All scenarios of the contract.
 */
import type { Scenario } from '../rig.ts';
import { answers } from './answers.ts';
import { cancellation } from './cancellation.ts';
import { channel } from './channel.ts';
import { deadlines } from './deadlines.ts';
import { failures } from './failures.ts';
import { options } from './options.ts';
import { parents } from './parents.ts';
import { security } from './security.ts';
import { streams } from './streams.ts';

export const scenarios: readonly Scenario[] = [
  ...answers,
  ...failures,
  ...streams,
  ...cancellation,
  ...deadlines,
  ...options,
  ...security,
  ...parents,
  ...channel,
];
