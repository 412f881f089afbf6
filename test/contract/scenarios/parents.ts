/**
 * Calls made on behalf of a server call: deadline and cancellation go on, as the flags say.
 */
import { Metadata, propagate, type ServerUnaryCall } from '@grpc/grpc-js';
import { Gate, type Rig, type Scenario } from '../rig.ts';
import { type Note, note } from '../service.ts';

const none = (): Metadata => new Metadata();

interface Journey {
  /** Does the caller set a deadline? */
  readonly deadlineMs?: number;
  /** Does the caller cancel once the inner handler has been reached? */
  readonly cancel?: boolean;
  readonly flags?: number;
  /** Does the inner service answer? */
  readonly answer: boolean;
}

/** caller -> `unary` of the outer server -> `unary` of the inner server. */
async function journey(rig: Rig, plan: Journey): Promise<void> {
  const reached = new Gate();
  const innerDone = new Gate();
  const innerAddress = await rig.serve({
    unary: (call, callback) => {
      rig.watchServer(call, 'inner');
      reached.open();
      if (plan.answer) callback(null, note('inner answer'));
    },
  });
  const inner = rig.makeClient({}, innerAddress);
  const outerAddress = await rig.serve({
    unary: (call: ServerUnaryCall<Note, Note>, callback) => {
      rig.watchServer(call, 'outer');
      const child = inner.unary(
        note('child'),
        none(),
        plan.flags === undefined ? { parent: call } : { parent: call, propagate_flags: plan.flags },
        (error, value) => {
          rig.log.add('child', 'callback', error, value);
          if (error !== null) callback(error);
          else callback(null, value);
        },
      );
      void rig.watch(child, 'child').then(() => innerDone.open());
    },
  });
  const caller = rig.makeClient({}, outerAddress);
  await Promise.all([rig.warm(inner), rig.warm(caller)]);
  const call = caller.unary(
    note('x'),
    none(),
    plan.deadlineMs === undefined ? {} : { deadline: Date.now() + plan.deadlineMs },
    rig.callback('caller'),
  );
  const done = rig.watch(call, 'caller');
  await rig.patiently(reached.opened, 'the inner handler');
  if (plan.cancel) call.cancel();
  await done;
  if (plan.flags === undefined || plan.answer) await rig.patiently(innerDone.opened, 'the end of the child call');
}

const scenario = (name: string, plan: Journey): Scenario => ({
  name,
  transports: ['plaintext'],
  serve: false,
  run: (rig) => journey(rig, plan),
});

export const parents: readonly Scenario[] = [
  scenario('a child call without deadline or cancellation', { answer: true }),
  scenario('a child call inherits the deadline, which is kept', { answer: true, deadlineMs: 5_000 }),
  scenario('a child call inherits the cancellation', { answer: false, cancel: true }),
  scenario('a child call that inherits nothing', { answer: true, deadlineMs: 5_000, flags: 0 }),
  scenario('a child call that inherits the cancellation only', { answer: true, deadlineMs: 5_000, flags: propagate.CANCELLATION }),
  scenario('a child call that inherits the deadline only', { answer: true, deadlineMs: 5_000, flags: propagate.DEADLINE }),
];
