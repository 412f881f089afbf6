/**
 * What happens to endpoints, for whoever keeps a log of it.
 *
 * @packageDocumentation
 */
import type { ConnectionState } from './book.ts';

/** Something has happened to one endpoint. */
export type EndpointChange =
  | { readonly what: 'added' | 'removed' | 'back'; readonly address: string }
  | { readonly what: 'ejected'; readonly address: string; readonly why: 'failures' | 'silence' | 'outlier' }
  | { readonly what: 'state'; readonly address: string; readonly state: ConnectionState };

/** Hears of it, in the middle of it: must not throw. */
export type OnEndpointChange = (change: EndpointChange) => void;
