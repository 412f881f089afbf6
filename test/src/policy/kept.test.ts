import { describe, expect, test } from 'vitest';
import { Kept } from '../../../src/policy/kept.ts';

/** Something that notes its end. */
function closable(log: string[], name: string): { close(): void } {
  return { close: () => log.push(name) };
}

describe('what versions of a policy keep', () => {
  test('a thing is taken over where its facts are equal, and made anew where they are not', () => {
    const first = new Kept();
    const one = first.take('a', { x: [1, new Map([['k', new Set([2])]])] }, () => ({}));
    const second = new Kept(first.complete());
    expect(second.take('a', { x: [1, new Map([['k', new Set([2])]])] }, () => ({}))).toBe(one);
    const third = new Kept(second.complete());
    expect(third.take('a', { x: [1, new Map([['k', new Set([3])]])] }, () => ({}))).not.toBe(one);
  });

  test('what was not taken over by a version is not there for the one after it', () => {
    const first = new Kept();
    const one = first.take('a', 1, () => ({}));
    const second = new Kept(first).complete();
    expect(new Kept(second).take('a', 1, () => ({}))).not.toBe(one);
  });

  test('names are each user’s own', () => {
    const kept = new Kept();
    expect(kept.of('one').take('a', 1, () => ({}))).not.toBe(kept.of('two').take('a', 1, () => ({})));
  });

  test('F6 closes what no other version uses, once', () => {
    const log: string[] = [];
    const first = new Kept();
    first.take('same', 1, () => closable(log, 'same'));
    first.take('changed', 1, () => closable(log, 'changed'));
    const second = new Kept(first);
    second.take('same', 1, () => closable(log, 'never'));
    second.take('changed', 2, () => closable(log, 'new'));
    second.complete();
    first.close([second]);
    first.close([second]);
    expect(log).toEqual(['changed']);
    second.close([]);
    expect(log).toEqual(['changed', 'same', 'new']);
  });

  test('F1 a version that came to nothing closes what was made for it alone', () => {
    const log: string[] = [];
    const first = new Kept();
    first.take('a', 1, () => closable(log, 'a'));
    const second = new Kept(first);
    second.take('a', 1, () => closable(log, 'never'));
    second.take('b', 1, () => closable(log, 'b'));
    second.abandon();
    expect(log).toEqual(['b']);
  });
});
