/**
 * Laws of native batches: whatever is asked, a batch says to each call what a call of its own would have been told.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batches, type Mode, priceItems, RULES, verdicts } from '../support/native.ts';
import { batch, definitionOf, elementOf, lift, planOf, take } from '../support/native-engine.ts';

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('a', 'b', '', 'missing', 'code 1001', 'code -7'));
const id = fc.oneof(fc.integer({ min: -3, max: 12 }), fc.integer({ min: -(2 ** 50), max: 2 ** 50 }));
const parent = fc.constantFrom('', 'p', 'q');
const noFault = text.map((name) => (/^(missing|bad|code )/.test(name) ? 'fine' : name));

const REQUESTS: Readonly<Record<Mode, fc.Arbitrary<object>>> = {
  GetBook: fc.record({
    name: noFault,
    parent,
    readMask: fc.option(fc.record({ paths: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }) })),
  }),
  GetUser: fc.record({ id, view: fc.constantFrom('', 'full') }, { requiredKeys: ['id'] }),
  GetEntity: fc.record({ id }),
  CreateRow: fc.record({ parent, row: fc.record({ key: text, value: fc.uint8Array({ maxLength: 8 }) }) }, { requiredKeys: ['parent'] }),
  Check: fc.record({ text, level: fc.integer({ min: -9, max: 9 }) }, { requiredKeys: ['text'] }),
  Price: fc.record({ symbol: text }),
  Count: fc.record({ id: fc.nat() }),
};

/** Calls by what must be equal in them. */
function groups<T extends { readonly group: Buffer }>(lifted: readonly T[]): T[][] {
  return Object.values(Object.groupBy(lifted, ({ group }) => group.toString('hex'))) as T[][];
}

describe('native batches', () => {
  test.each(Object.keys(RULES) as Mode[])('%s: lift, serve, match is the same as calls of their own', (mode) => {
    const plan = planOf(mode);
    const unary = definitionOf(mode);
    const via = definitionOf(RULES[mode].via.replace(/.*\//, ''));
    fc.assert(
      fc.property(fc.array(REQUESTS[mode], { minLength: 1, maxLength: 40 }), (requests) => {
        const bytes = requests.map(unary.requestSerialize);
        const lifted = lift(plan, bytes).map((one, place) => {
          if (one === undefined) throw new Error(`request ${place} can not be merged`);
          return { ...one, place };
        });
        for (const group of groups(lifted)) {
          const asked = via.requestDeserialize(batch(plan, group));
          const answers = plan.reply.stream ? priceItems(asked) : [batches[RULES[mode].via.replace(/.*\//, '')]?.(asked) ?? {}];
          const { results, fits, twice } = take(
            plan,
            group.map(({ key }) => key),
            answers.map(via.responseSerialize),
          );
          expect([fits, twice]).toEqual([true, 0]);
          for (const [i, { place }] of group.entries()) {
            const verdict = verdicts[mode](unary.requestDeserialize(bytes[place] as Buffer));
            const result = results[i];
            if ('code' in verdict) {
              const { code, details } = verdict;
              expect(result).toEqual(
                mode === 'GetUser' || mode === 'GetEntity' ? 'missing' : { refused: { code, details, bytes: undefined } },
              );
            } else expect(result).toEqual({ answered: unary.responseSerialize(verdict) });
          }
        }
      }),
    );
  });

  test('no reply, whatever it is, answers a call twice or one that was not asked for', () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.nat(255), { maxLength: 40 }).map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(RULES) as Mode[])),
        fc.array(junk, { maxLength: 3 }),
        fc.tuple(fc.nat(6), fc.boolean()),
        (mode, messages, [calls, same]) => {
          const plan = planOf(mode);
          const keys = Array.from({ length: calls + 1 }, (_, i) => String.fromCharCode(same ? 2 : 2 * i));
          try {
            const { results, twice, fits } = take(
              plan,
              keys,
              plan.reply.stream ? messages.map(Buffer.from) : messages.slice(0, 1).map(Buffer.from),
            );
            expect(twice).toBe(0);
            expect(results).toHaveLength(keys.length);
            expect(results.every((result) => (result === undefined) === !fits)).toBe(true);
          } catch (error) {
            expect((error as Error).name).toBe('WireError');
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('no request, whatever it is, loses a field: it goes alone, or comes back whole', () => {
    const plan = planOf('Check');
    const noWrap = planOf('GetBook');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (junk) => {
        const request = Buffer.from(junk);
        const [whole] = lift(plan, [request]);
        if (whole !== undefined) expect(elementOf(whole)).toEqual(request);
        const [lifted] = lift(noWrap, [request]);
        if (lifted === undefined) return;
        let single: Record<string, unknown>;
        try {
          single = definitionOf('GetBook').requestDeserialize(request) as Record<string, unknown>;
        } catch {
          return; // broken inside: no server reads it, alone or not
        }
        const asked = definitionOf('BatchGetBooks').requestDeserialize(batch(noWrap, [lifted])) as Record<string, unknown>;
        const { name, parent: group, readMask } = single;
        expect(asked).toEqual({ names: [name], parent: group, readMask, verbose: 0 });
      }),
      { numRuns: 2000 },
    );
  });
});
