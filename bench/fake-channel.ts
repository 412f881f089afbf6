/**
 * A channel without a network: it answers every unary call in a microtask with the bytes it was sent. What is left is
 * the CPU of the client and of the layers in between.
 *
 * @packageDocumentation
 */
import { Channel, type ChannelInterface, connectivityState, credentials, Metadata, status } from '@grpc/grpc-js';

type ChannelCall = ReturnType<ChannelInterface['createCall']>;
type Listener = Parameters<ChannelCall['start']>[1];

class EchoCall implements ChannelCall {
  #listener: Listener | undefined;
  #message: Buffer = Buffer.alloc(0);

  start(_metadata: Metadata, listener: Listener): void {
    this.#listener = listener;
  }
  sendMessageWithContext(context: Parameters<ChannelCall['sendMessageWithContext']>[0], message: Buffer): void {
    this.#message = message;
    context.callback?.();
  }
  startRead(): void {}
  halfClose(): void {
    queueMicrotask(() => {
      this.#listener?.onReceiveMetadata(new Metadata());
      this.#listener?.onReceiveMessage(this.#message);
      this.#listener?.onReceiveStatus({ code: status.OK, details: 'OK', metadata: new Metadata() });
    });
  }
  cancelWithStatus(): void {}
  getPeer(): string {
    return '127.0.0.1:1';
  }
  getCallNumber(): number {
    return 0;
  }
  setCredentials(): void {}
  getAuthContext(): null {
    return null;
  }
}

/** The fake channel. */
export function fakeChannel(): ChannelInterface {
  // Only for its name in channelz; it never connects.
  const real = new Channel('dns:fake', credentials.createInsecure(), {});
  real.close();
  return {
    createCall: () => new EchoCall(),
    close: () => {},
    getTarget: () => 'dns:fake',
    getConnectivityState: () => connectivityState.READY,
    watchConnectivityState: (_state, _deadline, callback) => {
      queueMicrotask(() => callback());
    },
    getChannelzRef: () => real.getChannelzRef(),
  };
}
