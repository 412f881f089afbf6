/**
 * Addresses as telemetry writes them.
 *
 * @packageDocumentation
 */

import { isIP } from 'node:net';
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Attributes } from '@opentelemetry/api';
import { SERVER_ADDRESS, SERVER_PORT } from './names.ts';

/** A host or socket path, and its port if it has one. */
export interface Address {
  readonly address: string;
  readonly port: number | undefined;
}

// Schemes that grpc-js knows; `passthrough` and `xds` for targets of other resolvers.
const SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract|ip|passthrough|xds):/i;

/**
 * The server's address from a channel's target, never from the endpoint that was picked: `dns:///grpc.io:50051` and
 * `dns://8.8.8.8/grpc.io:50051` are `grpc.io`, 50051; `unix:/run/x.sock` is the path; a target that cannot be read is
 * given back whole, without a port. Empty target (an interceptor alone does not know it): undefined.
 */
export function serverAddress(target: string): Address | undefined {
  if (target === '') return undefined;
  const scheme = SCHEME.exec(target)?.[1]?.toLowerCase();
  const rest = scheme === undefined ? target : target.slice(scheme.length + 1);
  if (scheme === 'unix' || scheme === 'unix-abstract') return { address: rest.replace(/^\/\/(?=\/)/, ''), port: undefined };
  // `//authority/name`: the authority is the resolver's (a DNS server), not the service's.
  const name = rest.startsWith('//') ? rest.slice(rest.indexOf('/', 2) + 1) : rest;
  if (name === '' || name.includes('/') || name.includes(',')) return { address: target, port: undefined };
  return splitHostPort(name) ?? { address: target, port: undefined };
}

/** `server.address` and `server.port` of a channel target. */
export function serverAttributes(target: string): Attributes {
  const server = serverAddress(target);
  if (server === undefined) return {};
  return server.port === undefined
    ? { [SERVER_ADDRESS]: server.address }
    : { [SERVER_ADDRESS]: server.address, [SERVER_PORT]: server.port };
}

/** An endpoint as `getPeer` tells it: `10.0.0.1:50051`, `[::1]:50051`, `::1:50051`, a socket's path; undefined while it is none. */
export function peerAddress(peer: string): Address | undefined {
  const known = parsedPeers.get(peer);
  if (known !== undefined) return known ?? undefined;
  const parsed = parsePeer(peer);
  if (parsedPeers.size >= MAX_PARSED) parsedPeers.clear();
  parsedPeers.set(peer, parsed ?? null);
  return parsed;
}

/** Few peers talk at a time, and parsing one costs more than the rest of a span's end. `null`: not an address. */
const parsedPeers = new Map<string, Address | null>();
const MAX_PARSED = 1024;

function parsePeer(peer: string): Address | undefined {
  if (peer === '' || peer === 'unknown' || SCHEME.test(peer)) return undefined;
  if (peer.startsWith('/')) return { address: peer, port: undefined };
  const bracketed = splitBracketed(peer);
  if (bracketed !== undefined) return bracketed;
  const colon = peer.lastIndexOf(':');
  const port = portOf(peer.slice(colon + 1));
  const address = peer.slice(0, colon);
  // A name is a target's: who answered has a number.
  return port === undefined || isIP(address) === 0 ? undefined : { address, port };
}

function splitHostPort(name: string): Address | undefined {
  const bracketed = splitBracketed(name);
  if (bracketed !== undefined) return bracketed;
  const colon = name.indexOf(':');
  if (colon < 0) return { address: name, port: undefined };
  if (name.includes(':', colon + 1)) return { address: name, port: undefined }; // a bare IPv6 address
  const port = portOf(name.slice(colon + 1));
  return colon === 0 || port === undefined ? undefined : { address: name.slice(0, colon), port };
}

function splitBracketed(name: string): Address | undefined {
  const found = /^\[([^\]]+)\](?::(\d+))?$/.exec(name);
  return found?.[1] === undefined ? undefined : { address: found[1], port: found[2] === undefined ? undefined : portOf(found[2]) };
}

function portOf(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65535 ? port : undefined;
}
