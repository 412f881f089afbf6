// Act 2: grpc-js as its own documentation sets it up for several replicas (guides on load balancing, keepalive, retry).
import { credentials } from '@grpc/grpc-js';
import { Atlas, type AtlasClient } from './atlas.ts';

const serviceConfig = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: 'atlas.v1.Atlas' }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.1s',
        maxBackoff: '1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
};

export function connect(target: string): AtlasClient {
  return new Atlas(target, credentials.createInsecure(), {
    'grpc.service_config': JSON.stringify(serviceConfig),
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
}
