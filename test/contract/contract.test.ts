/**
 * The contract: through every door, a client with an empty stack is observably a client of bare grpc-js.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type Deviation, deviations } from './deviations.ts';
import { bare, doors } from './doors.ts';
import type { Lanes } from './log.ts';
import { play, type Scenario } from './rig.ts';
import { scenarios } from './scenarios/index.ts';
import { type Transport, transports } from './transports.ts';

/**
 * Both ends keep a call's deadline. Whose timer is first after this process stood still is nobody's promise, so a difference there
 * must come each time.
 */
const endsLate = (lanes: Lanes): boolean => JSON.stringify(lanes).includes('Deadline exceeded');

/** What bare grpc-js does; where timers race, what it does twice in a row. */
async function reference(transport: Transport, scenario: Scenario): Promise<Lanes> {
  let expected = await play(bare, transport, scenario);
  for (let again = 0; again < 5 && endsLate(expected); again++) {
    const before = expected;
    expected = await play(bare, transport, scenario);
    if (isDeepStrictEqual(expected, before)) break;
  }
  return expected;
}

const needed = new Set<Deviation>();
const played = new Set<string>();

describe.each(transports)('contract over $name', (transport) => {
  const here = scenarios.filter((scenario) => scenario.transports?.includes(transport.name) ?? true);

  test.each(here)('$name', { timeout: 60_000 }, async (scenario) => {
    const expected = await reference(transport, scenario);
    played.add(`${transport.name}: ${scenario.name}`);
    expect(expected, 'the scenario must observe something').not.toEqual({});
    for (const door of doors) {
      let seen = await play(door, transport, scenario);
      const deviation = deviations.find(
        (entry) =>
          entry.scenario === scenario.name && entry.doors.includes(door.name) && (entry.transports?.includes(transport.name) ?? true),
      );
      let wanted: Lanes = expected;
      if (deviation !== undefined) {
        needed.add(deviation);
        wanted = deviation.edit(expected);
        expect(wanted, `${door.name}: a deviation that changes nothing`).not.toEqual(expected);
      }
      for (let again = 0; again < 2 && endsLate(seen) && !isDeepStrictEqual(seen, wanted); again++)
        seen = await play(door, transport, scenario);
      expect.soft(seen, `${door.name} against bare`).toEqual(wanted);
    }
  });
});

afterAll(() => {
  // A filtered run (-t) has not seen all comparisons and so cannot tell.
  const all = transports.flatMap((transport) => scenarios.filter((scenario) => scenario.transports?.includes(transport.name) ?? true));
  if (played.size === all.length) {
    expect(
      deviations.filter((entry) => !needed.has(entry)).map((entry) => entry.scenario),
      'deviations that no comparison needed',
    ).toEqual([]);
  }
});

describe('deviations', () => {
  test('each names a scenario and a door that exist, and says why', () => {
    const names = new Set(scenarios.map((scenario) => scenario.name));
    const doorNames = new Set(doors.map((door) => door.name));
    for (const entry of deviations) {
      expect(names, entry.scenario).toContain(entry.scenario);
      expect(entry.doors.length).toBeGreaterThan(0);
      expect(entry.doors.filter((door) => !doorNames.has(door))).toEqual([]);
      expect(entry.reason.length).toBeGreaterThan(20);
    }
  });

  test('no two scenarios share a name', () => {
    expect(new Set(scenarios.map((scenario) => scenario.name)).size).toBe(scenarios.length);
  });
});
