import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { type Fault, Faults } from '../../src/fault/faults.ts';
import { resolveFaults } from '../../src/fault/options.ts';
import { ExactShare } from '../../src/fault/share.ts';
import { Mirror } from '../../src/mirror/mirrors.ts';
import { resolveMirror } from '../../src/mirror/options.ts';
import { seededRandom } from '../../src/random.ts';
import { Pattern } from '../../src/route/pattern.ts';
import { Split } from '../../src/route/split.ts';
import { metadataOf } from '../support/loopback.ts';

const KEYS = Array.from({ length: 300 }, (_, index) => `user-${index}`);
const none = metadataOf({});

describe('law of expressions', () => {
  test('it says what JavaScript says of the same expression', () => {
    const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '\\w', 'x', '\\.');
    const quantifier = fc.constantFrom('*', '+', '?', '{2}', '{1,}', '{0,2}', '*?');
    const { expression } = fc.letrec<{ expression: string }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `${a}${b}`),
        fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a}|${b})`),
        fc.tuple(tie('expression'), quantifier).map(([a, by]) => `(?:${a})${by}`),
      ),
    }));
    const value = fc.array(fc.constantFrom('a', 'b', 'c', 'x', '.'), { maxLength: 8 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(expression, value, (own, text) => {
        expect(new Pattern(own).matches(text)).toBe(new RegExp(`^(?:${own})$`).test(text));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('law of splits', () => {
  test('a weight that grows takes keys and gives none away, whatever the order and the others', () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 1000, noNaN: true }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(weights, fc.nat(), fc.double({ min: 1, max: 100, noNaN: true }), (list, which, times) => {
        const grown = which % list.length;
        const shares = list.map((weight, index) => ({ cluster: `c${index}`, weight }));
        const before = new Split(shares, Math.random);
        const after = new Split(
          shares.map((share, index) => (index === grown ? { ...share, weight: share.weight * times } : share)).toReversed(),
          Math.random,
        );
        for (const key of KEYS) {
          const now = after.pick(key);
          if (now !== before.pick(key)) expect(now).toBe(`c${grown}`);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('law of faults', () => {
  test('after n calls it was floor(n * percent / 100), and of any run so many, give or take one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), fc.nat({ max: 500 }), fc.integer({ min: 1, max: 500 }), (units, from, length) => {
        const percent = units / 10_000;
        const share = new ExactShare(percent);
        let chosen = 0;
        let inRun = 0;
        for (let n = 1; n <= from + length; n++) {
          const taken = share.take();
          if (taken) chosen++;
          if (taken && n > from) inRun++;
          expect(chosen).toBe(Math.floor((n * units) / 1_000_000));
        }
        expect(Math.abs(inRun - (length * percent) / 100)).toBeLessThan(1.000001);
      }),
      { numRuns: 200 },
    );
  });

  test('what is held back returns to zero, and is never above its bound', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (steps, maxActive) => {
        const all = new Faults(resolveFaults([{ delayMs: 1, maxActive }], 'faults'));
        const out: Fault[] = [];
        for (const begins of steps) {
          const fault = begins ? all.planOf('/a.B/C')?.meet(none) : undefined;
          if (fault !== undefined) out.push(fault);
          if (!begins) out.shift()?.end();
          expect(all.counts.active).toBe(out.length);
          expect(all.counts.active).toBeLessThanOrEqual(maxActive);
        }
        for (const fault of out) fault.end();
        expect(all.counts.active).toBe(0);
      }),
    );
  });
});

describe('law of mirrors', () => {
  test('copies that are out are never more than the bound, and return to zero', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('call', 'end', 'unsent'), { maxLength: 200 }),
        fc.integer({ min: 1, max: 4 }),
        (steps, maxInFlight) => {
          const own = new Mirror('shadow', resolveMirror({ maxInFlight }, 'mirror'), seededRandom(3));
          let out = 0;
          for (const step of steps) {
            if (step === 'call') out += own.chooses(none) ? 1 : 0;
            else if (out > 0) {
              out--;
              if (step === 'end') own.answered(Code.OK);
              else own.unsent();
            }
            expect(own.stats().inFlight).toBe(out);
            expect(out).toBeLessThanOrEqual(maxInFlight);
          }
        },
      ),
    );
  });
});
