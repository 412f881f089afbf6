/**
 * `inmesh/connect`: the mesh for clients of `@connectrpc/connect`, an optional peer.
 *
 * @packageDocumentation
 */
export { callOptions, connectInterceptor } from './interceptor.ts';
export { connectServerInterceptor } from './served.ts';
