/**
 * Hears of what is done with a `Server`: its public methods are shadowed on the instance, nothing else of it is touched.
 *
 * @packageDocumentation
 */
import type { Server, ServerCredentials } from '@grpc/grpc-js';

/**
 * Notes every port that the server opens from now on.
 *
 * @param opening - Called before: what is to be known of the credentials. `where` names the place in words.
 * @param opened - Called once it is open. Undefined: sockets without a port.
 */
export function watchPorts<Known>(
  server: Server,
  opening: (credentials: ServerCredentials, where: string) => Known,
  opened: (port: number | undefined, known: Known) => void,
): void {
  const bindAsync = server.bindAsync.bind(server);
  const createConnectionInjector = server.createConnectionInjector.bind(server);
  server.bindAsync = (address: string, credentials: ServerCredentials, callback: (error: Error | null, port: number) => void): void => {
    const known = opening(credentials, address);
    bindAsync(address, credentials, (error, port) => {
      if (error === null) opened(address.startsWith('unix:') ? undefined : port, known);
      callback(error, port);
    });
  };
  server.createConnectionInjector = (credentials: ServerCredentials) => {
    opened(undefined, opening(credentials, 'a connection injector'));
    return createConnectionInjector(credentials);
  };
}

/** Calls `fn` whenever the server begins to shut down in peace, or drains a port. */
export function onDrain(server: Server, fn: () => void): void {
  const tryShutdown = server.tryShutdown.bind(server);
  const drain = server.drain.bind(server);
  server.tryShutdown = (callback) => {
    tryShutdown(callback);
    fn();
  };
  server.drain = (port, graceTimeMs) => {
    drain(port, graceTimeMs);
    fn();
  };
}
