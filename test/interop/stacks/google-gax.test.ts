import * as grpc from '@grpc/grpc-js';
import { type ClientStub, createApiCall, GrpcClient, googleAuthLibrary, StreamDescriptor, StreamType } from 'google-gax';
import { describeStack, PROTO_FILE, PROTO_ROOT } from './describe-stack.ts';

const SERVICE = 'echo.v1.EchoService';
const METHOD = { timeout_millis: 10_000, retry_codes_name: 'none', retry_params_name: 'default' };
/** What gapic generators write for a service. */
const CLIENT_CONFIG = {
  interfaces: {
    [SERVICE]: {
      retry_codes: { none: [] },
      retry_params: {
        default: {
          initial_retry_delay_millis: 100,
          retry_delay_multiplier: 1.3,
          max_retry_delay_millis: 1000,
          initial_rpc_timeout_millis: 10_000,
          rpc_timeout_multiplier: 1,
          max_rpc_timeout_millis: 10_000,
          total_timeout_millis: 10_000,
        },
      },
      methods: { Say: METHOD, Count: METHOD },
    },
  },
};

interface EchoProtos {
  readonly echo: { readonly v1: { readonly EchoService: typeof ClientStub } };
}

/** A stub's method, bound: what a gapic client hands to `createApiCall`. */
function methodOf(stub: ClientStub, name: string): Parameters<typeof createApiCall>[0] {
  return (...args: readonly unknown[]) => stub[name]?.(...args);
}

// google-gax drops interceptors; of the options without a `grpc.` prefix it reaches the channel factory by a prefixed name.
describeStack('google-gax client through mesh.client()', async (address, mesh) => {
  const auth = new googleAuthLibrary.GoogleAuth({ authClient: new googleAuthLibrary.OAuth2Client() });
  const gax = new GrpcClient({ auth });
  const { echo } = gax.loadFromProto(PROTO_FILE, { includeDirs: [PROTO_ROOT] }) as unknown as EchoProtos;
  const [servicePath, port] = address.split(':');
  const stub = await gax.createStub(echo.v1.EchoService, {
    ...mesh.client(),
    servicePath: servicePath ?? '',
    port: Number(port),
    sslCreds: grpc.credentials.createInsecure(),
  });
  const settings = gax.constructSettings(SERVICE, CLIENT_CONFIG, {}, {});
  const say = createApiCall(methodOf(stub, 'say'), settings['say']);
  const count = createApiCall(methodOf(stub, 'count'), settings['count'], new StreamDescriptor(StreamType.SERVER_STREAMING));
  return {
    say: async (text) => {
      const [response] = (await say({ text })) as unknown as [{ readonly text: string }];
      return response.text;
    },
    count: async (to) => {
      const values: number[] = [];
      const stream = count({ to }) as unknown as AsyncIterable<{ readonly value: number }>;
      for await (const { value } of stream) values.push(value);
      return values;
    },
    close: () => stub.close(),
  };
});
