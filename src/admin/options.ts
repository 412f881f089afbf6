/**
 * Options of the admin server.
 *
 * @packageDocumentation
 */
import { BlockList, isIP } from 'node:net';
import { ConfigError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { show } from '../input/show.ts';

/** Where the admin server listens, and who may ask it what. */
export interface AdminOptions {
  /** Address. At any but loopback all but the probes needs the token. @defaultValue '127.0.0.1' */
  readonly host?: string;
  /** Whole number from 0 to 65535; 0: any that is free. @defaultValue 9902 */
  readonly port?: number;
  /**
   * What a caller must show to change anything, `Authorization: Bearer <token>`: 16 to 512 printable ASCII characters without blanks.
   * @defaultValue the environment's INMESH_ADMIN_TOKEN; without either nothing can be changed
   */
  readonly token?: string;
  /** Names besides those of loopback that a request's Host may be: `['mesh.internal']`. @defaultValue none */
  readonly allowedHosts?: readonly string[];
  /** Whether the process stays alive only to be looked at. @defaultValue false */
  readonly keepAlive?: boolean;
}

/** {@link AdminOptions} with everything filled in. */
export interface AdminRules {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  /** In lower case. */
  readonly allowedHosts: ReadonlySet<string>;
  readonly keepAlive: boolean;
  /** Nobody else can reach it. */
  readonly local: boolean;
}

/** Environment variable that may hold the token. */
export const TOKEN_VARIABLE = 'INMESH_ADMIN_TOKEN';
const DEFAULT_PORT = 9902;
const KEYS = ['host', 'port', 'token', 'allowedHosts', 'keepAlive'] as const satisfies readonly (keyof AdminOptions)[];
const TOKEN = /^[!-~]{16,512}$/;
const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether an address, or the name of one, is this machine's own loopback. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Checks options and fills in what is missing. The token is never repeated in an error.
 *
 * @param env - Of the process.
 * @throws ConfigError naming path, value and rule.
 */
export function resolveAdminOptions(input: unknown, env: Readonly<Record<string, string | undefined>>): AdminRules {
  const given = checkedObject(input, KEYS, 'admin');
  const { host = '127.0.0.1', keepAlive = false, allowedHosts = [] } = given;
  if (typeof host !== 'string' || host === '')
    throw new ConfigError('admin.host', `expected an address such as "127.0.0.1", got ${show(host)}`);
  if (typeof keepAlive !== 'boolean') throw new ConfigError('admin.keepAlive', `expected true or false, got ${show(keepAlive)}`);
  if (!Array.isArray(allowedHosts)) throw new ConfigError('admin.allowedHosts', `expected a list of names, got ${show(allowedHosts)}`);
  const token = checkedToken(given['token'], 'admin.token') ?? checkedToken(env[TOKEN_VARIABLE] || undefined, TOKEN_VARIABLE);
  const local = isLoopback(host);
  if (!local && token === undefined)
    throw new ConfigError(
      'admin.token',
      `is missing: at ${show(host)} others can reach the admin server; give a token, or set ${TOKEN_VARIABLE}, or listen at 127.0.0.1`,
    );
  return {
    host,
    port: checkedNumber(given['port'], DEFAULT_PORT, { min: 0, max: 65_535, integer: true }, 'admin.port'),
    token,
    allowedHosts: new Set(allowedHosts.map((name: unknown, index) => checkedHost(name, `admin.allowedHosts[${index}]`))),
    keepAlive,
    local,
  };
}

function checkedToken(value: unknown, path: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && TOKEN.test(value))) return value;
  const seen = typeof value === 'string' ? `${value.length} characters, or others` : show(value);
  throw new ConfigError(path, `expected 16 to 512 printable ASCII characters without blanks, got ${seen}`);
}

function checkedHost(value: unknown, path: string): string {
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  if (HOST.test(name) || isIP(name) !== 0) return name;
  const bare = name.replace(/^\w+:\/\//, '').replace(/[/:].*$/, '');
  const hint = HOST.test(bare) ? `; did you mean ${show(bare)}?` : '';
  throw new ConfigError(path, `expected a host name without scheme and port, got ${show(value)}${hint}`);
}
