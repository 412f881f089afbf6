/** Whether an unmodified client keeps where its calls are made. Everything else is as the contract has it (test/contract). */
import { spawnSync } from 'node:child_process';
import {
  type CallInvocationTransformer,
  ChannelCredentials,
  type ClientOptions,
  type ClientUnaryCall,
  InterceptingCall,
  type Interceptor,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CallerStacks } from '../../src/grpc/caller-stacks.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { FROM_SOURCE } from '../support/from-source.ts';
import { type EchoStub, echoDefinition, type Handlers, type Message, serve } from '../support/loopback.ts';

const Echo = makeGenericClientConstructor(echoDefinition, 'Echo');
const insecure = ChannelCredentials.createInsecure();
const limit = Error.stackTraceLimit;
type Invocation = Parameters<CallInvocationTransformer>[0];

/** A client that ends with its test. */
function quiet(mesh: Mesh, address: string, own: ClientOptions = {}, callerStacks: boolean | 'auto' = false): EchoStub {
  const stub = new Echo(address, insecure, mesh.client(own, { callerStacks })) as unknown as EchoStub;
  onTestFinished(() => stub.close());
  return stub;
}

/** A call with all that is heard of it. */
function say(stub: EchoStub, text: string): Promise<{ error: ServiceError | null; value: Message | undefined; heard: string[] }> {
  return new Promise((resolve) => {
    const heard: string[] = [];
    const call = stub.say({ text }, new Metadata(), {}, (error, value) => {
      heard.push('callback');
      setImmediate(() => resolve({ error, value, heard }));
    });
    call.on('metadata', () => heard.push('metadata')).on('status', ({ code }) => heard.push(`status ${code}`));
  });
}

const refusing: Partial<Handlers> = {
  say: ({ request }, answer) => (request.text === 'bad' ? answer({ code: 5, details: 'no such thing' }) : answer(null, request)),
};

describe('mesh.client(own, { callerStacks: false })', () => {
  test('a unary call answers, and its events come, as ever', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    expect(await say(quiet(mesh, running.address), 'a')).toEqual({
      error: null,
      value: { text: 'a' },
      heard: ['metadata', 'callback', 'status 0'],
    });
    await mesh.close();
  });

  test('an error says nothing of where the call was made; with callerStacks it does', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    const stacks: string[] = [];
    for (const callerStacks of [false, true]) {
      const { error } = await say(quiet(mesh, running.address, {}, callerStacks), 'bad');
      expect(error).toMatchObject({ code: 5, details: 'no such thing', message: '5 NOT_FOUND: no such thing' });
      stacks.push(error?.stack ?? '');
    }
    const [without = '', withOne = ''] = stacks.map((stack) => stack.split('\nfor call at\n')[1]);
    expect(without).toBe('no stack trace available');
    expect(withOne).toContain('caller-stacks.test.ts');
    await mesh.close();
  });

  test('Error.stackTraceLimit is what it was in interceptors, after the call and after one that throws', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    const seen: number[] = [];
    const looking: Interceptor = (options, nextCall) => {
      seen.push(Error.stackTraceLimit);
      return new InterceptingCall(nextCall(options));
    };
    const throwing: Interceptor = () => {
      throw new Error('broken interceptor');
    };
    await say(quiet(mesh, running.address, { interceptors: [looking] }), 'a');
    const broken = quiet(mesh, running.address, { interceptors: [throwing] });
    expect(() => broken.say({ text: 'a' }, new Metadata(), {}, () => {})).toThrow(/broken interceptor/);
    expect([...seen, Error.stackTraceLimit]).toEqual([limit, limit]);
    await mesh.close();
  });

  test('cancel, peer and auth context are those of the call', async () => {
    await using running = await serve({ handlers: { say: () => {} } });
    const mesh = createMesh();
    const stub = quiet(mesh, running.address);
    const ended = await new Promise<[ServiceError | null, ClientUnaryCall]>((resolve) => {
      const call: ClientUnaryCall = stub.say({ text: 'a' }, new Metadata(), {}, (error) => setImmediate(() => resolve([error, call])));
      setTimeout(() => call.cancel(), 30);
    });
    expect(ended[0]).toMatchObject({ code: 1, details: 'Cancelled on client' });
    expect(ended[1].getPeer()).toBe(`127.0.0.1:${running.port}`);
    expect(ended[1].getAuthContext()).toEqual({});
    await mesh.close();
  });

  test('streams are left as they are', async () => {
    await using running = await serve();
    const mesh = createMesh();
    const heard: string[] = [];
    for await (const { text } of quiet(mesh, running.address).count({ text: 'n' }, new Metadata(), {})) heard.push(text);
    expect(heard).toEqual(['n 1', 'n 2', 'n 3']);
    await mesh.close();
  });

  test('with a callInvocationTransformer of the user it does nothing: the call that this gave is the one that comes back', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    const given: unknown[] = [];
    const callInvocationTransformer: CallInvocationTransformer = (call) => {
      given.push(call.call);
      return call;
    };
    const stub = quiet(mesh, running.address, { callInvocationTransformer });
    const error = await new Promise<ServiceError | null>((resolve) => {
      given.push(stub.say({ text: 'bad' }, new Metadata(), {}, resolve));
    });
    expect(given[0]).toBe(given[1]);
    expect(error?.stack).toContain('caller-stacks.test.ts');
    await mesh.close();
  });

  test('read first, metadata leaves the limit alone: nothing would put it back', () => {
    const given = { metadata: new Metadata(), methodDefinition: echoDefinition.say, callback: () => {} };
    const quietly = (): Invocation => new CallerStacks({ callerStacks: false }).of(given as unknown as Invocation);
    let made = quietly();
    expect(made.metadata).toBe(given.metadata);
    (made.call as ClientUnaryCall).call = {} as NonNullable<ClientUnaryCall['call']>;
    expect(Error.stackTraceLimit).toBe(limit);
    made = quietly();
    (made.call as ClientUnaryCall).call = {} as NonNullable<ClientUnaryCall['call']>;
    expect(Error.stackTraceLimit).toBe(0);
    expect(made.metadata).toBe(given.metadata);
    expect(Error.stackTraceLimit).toBe(limit);
  });

  test('where the limit can not be set (--frozen-intrinsics) calls are as ever', () => {
    const program = `import { CallerStacks } from './src/grpc/caller-stacks.ts';
      const given = { methodDefinition: {}, callback() {} };
      console.log(new CallerStacks({ callerStacks: false }).of(given) === given);`;
    const ran = (...flags: string[]): string =>
      spawnSync(process.execPath, ['--no-warnings', ...flags, '--import', FROM_SOURCE, '--input-type=module', '-e', program], {
        encoding: 'utf8',
      }).stdout.trim();
    expect([ran(), ran('--frozen-intrinsics')]).toEqual(['false', 'true']);
  });

  test('options that are none are refused', () => {
    const mesh = createMesh();
    expect(() => mesh.client({}, { callerStack: false } as never)).toThrow(/callerStack.*did you mean.*callerStacks/);
    expect(() => mesh.options({}, { callerStacks: 0 as never })).toThrow('options.callerStacks: expected "auto", true or false, got 0');
  });
});

describe("callerStacks: 'auto', the default", () => {
  test.each(['client', 'options'] as const)(
    'mesh.%s(): a method whose last thousand calls went well is quiet, and after a failure it is not',
    async (door) => {
      await using running = await serve({ handlers: refusing });
      const mesh = createMesh();
      const own = door === 'client' ? mesh.client() : { ...mesh.options(), interceptors: mesh.interceptors() };
      const stub = new Echo(running.address, insecure, own) as unknown as EchoStub;
      onTestFinished(() => stub.close());
      const named = async (): Promise<boolean> => (await say(stub, 'bad')).error?.stack?.includes('caller-stacks.test.ts') === true;
      const well = async (calls: number): Promise<void> => {
        const results = await Promise.all(Array.from({ length: calls }, () => say(stub, 'a')));
        expect(results.every(({ error }) => error === null)).toBe(true);
      };
      expect(await named()).toBe(true);
      await well(999);
      expect(await named()).toBe(true);
      await well(1000);
      expect(await named()).toBe(false);
      expect(await named()).toBe(true);
      expect(Error.stackTraceLimit).toBe(limit);
      await mesh.close();
    },
  );

  test('a callback gets as many arguments as of grpc-js', async () => {
    await using running = await serve({ handlers: refusing });
    const mesh = createMesh();
    const stub = quiet(mesh, running.address, {}, 'auto');
    const given = (text: string): Promise<number> =>
      new Promise((resolve) => void stub.say({ text }, new Metadata(), {}, (...args) => resolve(args.length)));
    expect([await given('a'), await given('bad')]).toEqual([2, 1]);
    await mesh.close();
  });

  test('one method says nothing of another', async () => {
    await using running = await serve({ handlers: { tell: (_call, answer) => answer({ code: 5, details: 'no' }) } });
    const mesh = createMesh();
    const stub = quiet(mesh, running.address, {}, 'auto');
    await Promise.all(Array.from({ length: 1000 }, () => say(stub, 'a')));
    const error = await new Promise<ServiceError | null>((resolve) => void stub.tell({ text: 'a' }, new Metadata(), {}, resolve));
    expect(error?.stack).toContain('caller-stacks.test.ts');
    await mesh.close();
  });
});
