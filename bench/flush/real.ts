/**
 * The flush rules on a real connection: `MeshServer` and `mesh.client()` in one process over 127.0.0.1. Both sides share a
 * core, so these figures say less than `npm run bench`; they show that the simulator has not lost touch.
 *
 * @packageDocumentation
 */
import { type Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { FLUSH_RULES, type FlushRule } from '../../src/batch/options.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { closedLoop } from '../closed-loop.ts';
import { Echo, type Msg, makeClient, sayOf } from '../echo.ts';
import { cpuUs } from '../protocol.ts';

export interface RealRow {
  readonly policy: FlushRule | 'plain';
  readonly callers: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the process, both sides, for each call. */
  readonly cpuUs: number;
  /** Calls for each RPC or message. */
  readonly perCarrier: number;
}

/** How long each cell is warmed and measured. */
export interface RealPlan {
  readonly callers: readonly number[];
  readonly warmMs: number;
  readonly sliceMs: number;
}

function listen(server: Server): Promise<number> {
  server.addService(Echo.service, {
    Say: (call: ServerUnaryCall<Msg, Msg>, callback: sendUnaryData<Msg>) => callback(null, call.request),
  });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

async function measure(port: number, policy: RealRow['policy'], plan: RealPlan): Promise<RealRow[]> {
  const mesh = createMesh({ coalesce: policy === 'plain' ? 'never' : { mode: 'auto', flush: policy, carrier: 'envelope' } });
  const client = makeClient(`127.0.0.1:${port}`, { options: mesh.client() });
  const rows: RealRow[] = [];
  for (const callers of plan.callers) {
    let before = { cpu: 0, items: 0, carriers: 0 };
    let after = before;
    const result = await closedLoop(sayOf(client), { callers, warmMs: plan.warmMs, sliceMs: plan.sliceMs }, (edge) => {
      const { items, carriers } = mesh.stats().coalesce;
      const now = { cpu: cpuUs(), items, carriers };
      if (edge === 'begin') before = now;
      else after = now;
    });
    if (result.failed > 0) throw new Error(`${policy} with ${callers} callers: ${result.failed} calls failed: ${result.firstError}`);
    const items = after.items - before.items;
    const rpcs = after.carriers - before.carriers + Math.max(0, result.calls - items);
    rows.push({
      policy,
      callers,
      callsPerSecond: (result.calls / result.elapsedMs) * 1000,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      cpuUs: (after.cpu - before.cpu) / result.calls,
      perCarrier: result.calls / rpcs,
    });
  }
  client.close();
  return rows;
}

/** Each rule after the other, each with a connection of its own. */
export async function realRun(plan: RealPlan, policies: readonly RealRow['policy'][] = ['plain', ...FLUSH_RULES]): Promise<RealRow[]> {
  const server = new MeshServer();
  const port = await listen(server);
  try {
    const rows: RealRow[] = [];
    for (const policy of policies) rows.push(...(await measure(port, policy, plan)));
    return rows;
  } finally {
    server.forceShutdown();
  }
}
