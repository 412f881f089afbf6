/** A command in a pseudo-terminal of Python's, which every machine that builds Node has; `undefined` where there is none. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const MAIN: string = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

// biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is sent
const STYLES = /\x1b\[(?:\d+m|K)/g;

/** Runs argv in a terminal; stdin takes `k HEX` (keys) and `r ROWS COLUMNS`; stdout is what the terminal was sent; exits as the child. */
const PYTHON = `
import fcntl, os, pty, select, signal, struct, sys, termios
rows, columns = int(sys.argv[1]), int(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[3], sys.argv[3:])
def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    os.kill(pid, signal.SIGWINCH)
size(rows, columns)
buffered = b''
inputs = [fd, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            inputs.remove(0)
        buffered += data
        while b'\\n' in buffered:
            line, buffered = buffered.split(b'\\n', 1)
            words = line.split()
            if words[0] == b'k':
                os.write(fd, bytes.fromhex(words[1].decode()))
            else:
                size(int(words[1]), int(words[2]))
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b''
        if not data:
            break
        os.write(1, data)
status = os.waitpid(pid, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
`;

/** Why there are no tests in a terminal here; undefined: there are. */
export const noTerminal: string | undefined =
  spawnSync('python3', ['-c', 'import pty, termios']).status === 0 ? undefined : 'python3 with its module pty is not here';

/** A command that runs in a terminal. */
export class Terminal implements AsyncDisposable {
  readonly exited: Promise<number | null>;
  /** All that it was sent. */
  sent = '';
  readonly #child: ChildProcess;
  #changed: () => void = () => {};

  constructor(
    argv: readonly string[],
    { rows = 24, columns = 80, env = {} }: { rows?: number; columns?: number; env?: NodeJS.ProcessEnv } = {},
  ) {
    const args = ['-c', PYTHON, String(rows), String(columns), process.execPath, '--disable-warning=ExperimentalWarning', MAIN, ...argv];
    const own: NodeJS.ProcessEnv = { ...process.env, TERM: 'xterm-256color', ...env };
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'COLUMNS', 'INMESH_URL', 'CI']) if (env[name] === undefined) delete own[name];
    this.#child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'], env: own });
    this.#child.stdout?.setEncoding('utf8');
    this.#child.stdout?.on('data', (text: string) => {
      this.sent += text;
      this.#changed();
    });
    this.exited = new Promise((resolve) => this.#child.on('close', (code) => resolve(code)));
    void this.exited.then(() => this.#changed());
  }

  press(keys: string): void {
    this.#child.stdin?.write(`k ${Buffer.from(keys).toString('hex')}\n`);
  }

  resize(rows: number, columns: number): void {
    this.#child.stdin?.write(`r ${rows} ${columns}\n`);
  }

  /** What it was sent, without colours. */
  get plain(): string {
    return this.sent.replace(STYLES, '');
  }

  /** The lines of the last whole frame, without colours. */
  frame(): string[] {
    const frames = this.sent.split('\x1b[H').slice(1);
    const last = frames.findLast((frame) => frame.includes('\x1b[J')) ?? '';
    return last.slice(0, last.indexOf('\x1b[J')).replace(STYLES, '').split('\r\n');
  }

  /** Waits until something holds of what was sent. */
  async until(holds: (terminal: this) => boolean, what: string): Promise<void> {
    const giveUp = AbortSignal.timeout(40_000);
    let isOver = false;
    void this.exited.then(() => {
      isOver = true;
    });
    while (!holds(this)) {
      if (isOver || giveUp.aborted) throw new Error(`${what}: never came; the terminal has\n${JSON.stringify(this.sent.slice(-3000))}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
        giveUp.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
