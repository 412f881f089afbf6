/**
 * `stat`, `tap`, `events`: what they print at two widths, as JSON, and when things go wrong. O6.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { colorStyle } from '../../src/cli/style.ts';
import { CALLS, EVENTS, OVERVIEW } from './overview.ts';
import { expectGolden, type FakeAdmin, fakeAdmin, inmesh, sendEvents, sendJson } from './rig.ts';

let admin: FakeAdmin;
beforeEach(async () => {
  admin = await fakeAdmin();
});
afterEach(() => admin.close());

/** Everything that a terminal could obey. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are looked for
const HARMFUL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/;

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('inmesh stat', () => {
  test.each([80, 120])('prints tables that fit %i columns', async (width) => {
    const { exit, out, err } = await inmesh(['stat', '--url', admin.url], { width });
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(widest(out)).toBeLessThanOrEqual(width);
    await expectGolden(`stat-${width}.txt`, out);
  });

  test('shows every column and list with -o wide, however wide that is', async () => {
    const { out } = await inmesh(['stat', '-o', 'wide', '-u', admin.url]);
    await expectGolden('stat-wide.txt', out);
  });

  test('gives the overview as it is with --json', async () => {
    const { exit, out } = await inmesh(['stat', '--json', '-u', admin.url]);
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toEqual(OVERVIEW);
  });

  test.each([['shop'], ['shop.v1.*/*'], ['--side', 'server'], ['--target', 'dns:///stock:50051']])(
    'shows a part when asked for %s %s',
    async (...words) => {
      const { out } = await inmesh(['stat', '--json', '-u', admin.url, ...words.filter((word) => word !== undefined)]);
      const { methods, endpoints } = JSON.parse(out) as typeof OVERVIEW;
      expect([methods.length, endpoints.length]).toEqual(words[0] === '--side' ? [1, 4] : words[0] === '--target' ? [5, 1] : [3, 4]);
    },
  );

  test.each([
    [
      { problem: 'policy.defaults: unknown key "timeut"', file: 'inmesh.yaml' },
      'inmesh.yaml is not in force: policy.defaults: unknown key "timeut"',
    ],
    [{ problem: 'half \u001b[2Jwritten' }, 'the policy is not in force: half \\x1b[2Jwritten'],
    [{ pending: ['policy.balance.policy', 'policy.endpoints'] }, 'waits for a restart: policy.balance.policy and 1 more'],
  ])('says that the policy asked for is not in force: %j', async (change, said) => {
    await using other = await disposable({ '/overview.json': sendJson({ ...OVERVIEW, policy: { ...OVERVIEW.policy, ...change } }) });
    expect((await inmesh(['stat', '-u', other.url], { width: 120 })).out.split('\n')[3]).toBe(said);
    expect((await inmesh(['stat', '-u', admin.url])).out).not.toContain('not in force');
  });

  test('says so while there are no calls', async () => {
    await using quiet = await disposable({
      '/overview.json': sendJson({ ...OVERVIEW, methods: [], endpoints: [], breakers: [], limits: [] }),
    });
    expect((await inmesh(['stat', '-u', quiet.url])).out).toContain('\nno calls yet\n');
  });
});

async function disposable(answers: Parameters<typeof fakeAdmin>[0]): Promise<FakeAdmin & AsyncDisposable> {
  const own = await fakeAdmin(answers);
  return { ...own, [Symbol.asyncDispose]: () => own.close() };
}

describe('inmesh tap', () => {
  test('prints one line a call, and ends after -n of them', async () => {
    const { exit, out } = await inmesh(['tap', '-n', '5', '-u', admin.url]);
    expect(exit).toBe(0);
    await expectGolden('tap.txt', out);
  });

  test('gives each call as it is, one a line, with --json', async () => {
    const { out } = await inmesh(['tap', '-n', '5', '--json', '-u', admin.url]);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toEqual(CALLS);
    expect(out).not.toMatch(HARMFUL);
  });

  test('asks the process to filter', async () => {
    const flags = ['--status', 'failed', '--slow', '200ms', '--reason', 'client.x/y', '--side', 'client', '--target', 'dns:///a b'];
    await inmesh(['tap', 'shop.v1.Cart/*', ...flags, '-n', '1', '-u', admin.url]);
    expect(admin.asked).toEqual([
      '/tap?method=shop.v1.Cart%2F*&status=failed&slowMs=200&reason=client.x%2Fy&target=dns%3A%2F%2F%2Fa+b&side=client',
    ]);
  });

  test('ends after --for', async () => {
    expect((await inmesh(['tap', '--for', '50ms', '-u', admin.url])).exit).toBe(0);
  });

  test('ends when it is told to, and says nothing of it', async () => {
    const ended = new AbortController();
    const ran = inmesh(['tap', '-u', admin.url], { signal: ended.signal, onOut: () => ended.abort(130) });
    expect(await ran).toMatchObject({ exit: 0, err: '' });
  });

  test('says when the process has gone, with exit code 3', async () => {
    await using gone = await disposable({ '/tap': sendEvents('call', CALLS.slice(0, 1), true) });
    const { exit, out, err } = await inmesh(['tap', '-u', gone.url]);
    expect({ exit, lines: out.split('\n').length }).toEqual({ exit: 3, lines: 2 });
    expect(err).toContain('has ended the stream');
  });

  test('says how many calls a slow reader has lost', async () => {
    await using slow = await disposable({ '/tap': sendEvents('lost', [{ lost: 7 }], true) });
    expect((await inmesh(['tap', '-u', slow.url])).err).toContain('7 calls lost');
  });
});

describe('inmesh events', () => {
  test('prints one line each', async () => {
    const { exit, out } = await inmesh(['events', '-u', admin.url]);
    expect(exit).toBe(0);
    await expectGolden('events.txt', out);
  });

  test('takes the last of a kind', async () => {
    const { out } = await inmesh(['events', '--kind', 'endpoint', '-n', '1', '--json', '-u', admin.url]);
    expect(JSON.parse(out)).toEqual(EVENTS[1]);
  });

  test('goes on with -f, and says nothing twice', async () => {
    const [, , last] = EVENTS;
    const next = { ...last, seq: 4, kind: 'mesh.said', text: 'four' };
    await using going = await disposable({ '/events': sendEvents('event', [...EVENTS, next]) });
    const ended = new AbortController();
    const onOut = (text: string): void => {
      if (text.includes('four')) ended.abort(130);
    };
    const { out } = await inmesh(['events', '-f', '--json', '-u', going.url], { signal: ended.signal, onOut });
    const seen = out
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { seq: number }).seq);
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(going.asked).toEqual(['/events.json?since=0', '/events?since=3']);
  });
});

describe('what a peer chose', () => {
  test.each(['stat', 'tap -n 5', 'events'])('reaches no terminal as it is: %s', async (line) => {
    for (const more of [[], ['--json']]) {
      const { out } = await inmesh([...line.split(' '), ...more, '-u', admin.url], { width: 200 });
      expect(out).not.toMatch(HARMFUL);
      expect(out.length).toBeGreaterThan(100);
    }
  });

  test('with colours on, only colours are added', async () => {
    const plain = await inmesh(['stat', '-u', admin.url]);
    const coloured = await inmesh(['stat', '-u', admin.url], { style: colorStyle });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
    expect(coloured.out.replace(/\x1b\[\d+m/g, '')).toBe(plain.out);
    expect(coloured.out).not.toBe(plain.out);
  });
});

describe('who is asked', () => {
  test('is INMESH_URL where no --url is given, and gets the token of INMESH_ADMIN_TOKEN', async () => {
    await inmesh(['stat'], { env: { INMESH_URL: admin.url.replace('http://', ''), INMESH_ADMIN_TOKEN: 'secret' } });
    expect(new Set(admin.tokens)).toEqual(new Set(['Bearer secret']));
  });

  test.each(['stat', 'top', 'tap', 'events', 'explain a.B/C'])('nobody there: %s says what to do, with exit code 3', async (line) => {
    const { exit, out, err } = await inmesh([...line.split(' '), '--url', 'http://127.0.0.1:9']);
    expect({ exit, out }).toEqual({ exit: 3, out: '' });
    expect(err).toMatch(/nobody answers at http:\/\/127\.0\.0\.1:9 \(ECONNREFUSED\)\n.*mesh\.admin\.listen\(\)/);
  });

  test('nobody there: --json says it as JSON', async () => {
    const { exit, err } = await inmesh(['stat', '--json', '--url', 'http://127.0.0.1:9']);
    expect(exit).toBe(3);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'unreachable' } });
  });

  test.each([
    ['another kind of server', sendJson({ hello: 'world' })],
    ['text', (_: unknown, response: { end(text: string): void }) => response.end('<html>')],
    ['a page with an error', sendJson({}, 500)],
  ] as const)('is not an admin server but %s', async (_, answer) => {
    await using other = await disposable({ '/overview.json': answer });
    const { exit, err } = await inmesh(['stat', '-u', other.url]);
    expect(exit).toBe(3);
    expect(err).toContain('not as an admin server of inmesh');
  });

  test('refuses for want of a token: says where it is read from', async () => {
    await using strict = await disposable({
      '/overview.json': sendJson({ error: { code: 'UNAUTHENTICATED', message: 'a token is needed' } }, 401),
    });
    const { exit, err } = await inmesh(['stat', '-u', strict.url]);
    expect(exit).toBe(3);
    expect(err).toMatch(/a token is needed\n.*INMESH_ADMIN_TOKEN/);
  });

  test('is told without the name and password of its address', async () => {
    const { err } = await inmesh(['stat', '-u', 'http://ada:secret@127.0.0.1:9/x/']);
    expect(err).toContain('nobody answers at http://127.0.0.1:9/x (');
    expect(err).not.toContain('secret');
  });

  test('an address that is none is wrong usage', async () => {
    expect(await inmesh(['stat', '--url', 'ftp://x'])).toMatchObject({ exit: 2 });
  });
});
