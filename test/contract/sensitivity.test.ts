/**
 * The contract can fail: each small sabotage of a door is noticed by the scenario that is there for it.
 */
import { InterceptingCall, type Interceptor, Metadata, type StatusObject } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { bare, type Door } from './doors.ts';
import type { Scenario } from './rig.ts';
import { play } from './rig.ts';
import { scenarios } from './scenarios/index.ts';
import { transports } from './transports.ts';

interface Sabotage {
  readonly what: string;
  readonly noticedBy: string;
  readonly interceptor: Interceptor;
}

type Change = (status: StatusObject) => StatusObject;

const changeStatus =
  (change: Change): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => next(metadata, { onReceiveStatus: (status, pass) => pass(change(status)) }),
    });

const sabotages: readonly Sabotage[] = [
  {
    what: 'trailers are lost',
    noticedBy: 'metadata and trailers travel both ways',
    interceptor: changeStatus((status) => ({ ...status, metadata: new Metadata() })),
  },
  {
    what: 'details are rewritten',
    noticedBy: 'an error carries code, details and trailers',
    interceptor: changeStatus((status) => ({ ...status, details: `${status.details}!` })),
  },
  {
    what: 'the request loses a header',
    noticedBy: 'metadata and trailers travel both ways',
    interceptor: (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, listener, next) => {
          const poorer = metadata.clone();
          poorer.remove('tag');
          next(poorer, listener);
        },
      }),
  },
  {
    what: "the caller's metadata object is changed",
    noticedBy: 'the caller may use a metadata object again and again, and change it after the call',
    interceptor: (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, listener, next) => {
          metadata.set('added', 'by a stranger');
          next(metadata, listener);
        },
      }),
  },
  {
    what: 'the deadline is lost',
    noticedBy: 'a deadline that is kept',
    interceptor: (options, nextCall) => {
      const { deadline: _lost, ...rest } = options;
      return new InterceptingCall(nextCall(rest));
    },
  },
  {
    what: 'credentials of a call are lost',
    noticedBy: 'credentials of one call',
    interceptor: (options, nextCall) => {
      const { credentials: _lost, ...rest } = options;
      return new InterceptingCall(nextCall(rest));
    },
  },
  {
    what: 'a message comes twice',
    noticedBy: 'four kinds answer OK',
    interceptor: (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) =>
          next(metadata, {
            onReceiveMessage: (message, pass) => {
              pass(message);
              if (options.method_definition.responseStream) pass(message);
            },
          }),
      }),
  },
  {
    what: 'initial metadata is held back until the end',
    noticedBy: 'initial metadata arrives before the first message is sent',
    interceptor: (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) => {
          next(metadata, { onReceiveMetadata: (_metadata, pass) => pass(new Metadata()) });
        },
      }),
  },
];

function sabotaged(interceptor: Interceptor): Door {
  return {
    name: 'sabotaged',
    makeClient: (Ctor, address, credentials, options) =>
      bare.makeClient(Ctor, address, credentials, { ...options, interceptors: [...(options.interceptors ?? []), interceptor] }),
  };
}

function scenarioNamed(name: string): Scenario {
  const scenario = scenarios.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario is called "${name}"`);
  return scenario;
}

describe('the contract notices when', () => {
  test.each(sabotages)('$what', async ({ noticedBy, interceptor }) => {
    const scenario = scenarioNamed(noticedBy);
    for (const transport of transports.slice(0, 1)) {
      const expected = await play(bare, transport, scenario);
      expect(await play(bare, transport, scenario)).toEqual(expected);
      expect(await play(sabotaged(interceptor), transport, scenario)).not.toEqual(expected);
    }
  });
});
