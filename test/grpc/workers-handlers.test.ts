import { makeGenericClientConstructor } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { ThreadHandlers } from '../../src/grpc/worker-handlers.ts';
import { fromValues, pack, toValues } from '../../src/grpc/worker-messages.ts';
import { echoDefinition, flat, metadataOf } from '../support/loopback.ts';

const one = (): string => 'one';
const two = (): string => 'two';
const run = (handlers: ThreadHandlers, path: string): unknown => handlers.find(path)?.handler(undefined, undefined);

describe('handlers of a module, in a thread', () => {
  test.each(['say', 'Say', 'loop.Echo/Say', '/loop.Echo/Say'])('a member %s of the default export is the handler of the method', (name) => {
    const handlers = new ThreadHandlers({ default: { [name]: one } });
    expect(run(handlers, '/loop.Echo/Say')).toBe('one');
    expect(handlers.find('/loop.Echo/Other')).toBeUndefined();
  });

  test('services whose methods share a name are told apart by path', () => {
    const handlers = new ThreadHandlers({ default: { 'a.A/Get': one, 'b.B/Get': two } });
    expect([run(handlers, '/a.A/Get'), run(handlers, '/b.B/Get')]).toEqual(['one', 'two']);
  });

  test('members keep their `this`, those of a class as well', () => {
    class Base {
      readonly name = 'me';
      say(): string {
        return this.name;
      }
    }
    class Service extends Base {
      tell(): string {
        return `not ${this.name}`;
      }
    }
    const handlers = new ThreadHandlers({ default: new Service() });
    expect([run(handlers, '/loop.Echo/Say'), run(handlers, '/loop.Echo/Tell')]).toEqual(['me', 'not me']);
    expect(handlers.names.toSorted()).toEqual(['say', 'tell']);
  });

  test('a method is found by its name in the definition; without a definition there is no codec', () => {
    const odd = { anything: { ...echoDefinition.say, originalName: 'spoken' } };
    expect(run(new ThreadHandlers({ service: odd, anything: one }), '/loop.Echo/Say')).toBe('one');
    expect(run(new ThreadHandlers({ service: odd, spoken: two }), '/loop.Echo/Say')).toBe('two');
    expect(new ThreadHandlers({ say: one }).find('/loop.Echo/Say')?.codec).toBeUndefined();
  });

  test.each([
    ['a definition', echoDefinition],
    ['a list', [{ say: echoDefinition.say }, { tell: echoDefinition.tell }]],
    ['a client class', makeGenericClientConstructor(echoDefinition, 'Echo')],
  ])('%s as `service` brings the codec', (_, service) => {
    const handlers = new ThreadHandlers({ service, say: one });
    expect(handlers.codecs).toContain('/loop.Echo/Say');
    expect(handlers.find('/loop.Echo/Say')?.codec?.requestDeserialize(Buffer.from('x'))).toEqual({ text: 'x' });
  });

  test('names that every object has are no handlers', () => {
    const handlers = new ThreadHandlers({ say: one, default: { tell: two } });
    for (const name of ['constructor', 'toString', '__proto__']) expect(handlers.find(`/loop.Echo/${name}`)).toBeUndefined();
  });
});

describe('what crosses the port', () => {
  test('metadata comes out as it went in, in memory of its own, without what is ours', () => {
    const metadata = metadataOf({ 'x-a': 'b', 'x-bin': ['00ff', ''], 'inmesh-accept': '1' });
    const values = toValues(metadata);
    const back = fromValues(structuredClone(values));
    metadata.remove('inmesh-accept');
    expect(flat(back)).toEqual(flat(metadata));
    for (const value of values ?? []) if (typeof value !== 'string') expect(value.buffer.byteLength).toBe(value.length);
    expect(toValues(metadataOf({ 'inmesh-own': '1' }))).toBeUndefined();
    expect(toValues(null)).toBeUndefined();
  });

  test('bytes are laid behind each other in memory of exactly their size', () => {
    const packed = pack([Buffer.from('ab'), Buffer.alloc(0), Buffer.from('cde')]);
    expect(packed.byteLength).toBe(5);
    expect(Buffer.from(packed).toString()).toBe('abcde');
    expect(pack([]).byteLength).toBe(0);
  });
});
