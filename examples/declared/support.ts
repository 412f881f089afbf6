/** A server of orders on a free port, and a table of what holds for a method. Nothing in here is needed to use inmesh. */
import { ServerCredentials } from '@grpc/grpc-js';
import { type ExplainedView, type ExplainView, MeshServer } from 'inmesh';
import { OrdersDefinition, type OrdersHandlers } from './gen/orders_inmesh.ts';

/** The service of all programs in this folder. */
export async function serve(): Promise<{ readonly target: string; stop(): void }> {
  const handlers: OrdersHandlers = {
    getOrder: ({ request }, answer) => answer(null, { id: request.id, state: 'sent' }),
    placeOrder: ({ request }, answer) => answer(null, { id: request.id, state: 'placed' }),
  };
  const server = new MeshServer();
  server.addService(OrdersDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { target: `127.0.0.1:${port}`, stop: () => server.forceShutdown() };
}

/** A row of `explain`: somebody wrote it. */
const isSaid = ({ origin }: ExplainedView): boolean => origin !== 'built-in';

/**
 * Prints what somebody has said of a method, with where each value was written; what is only built in is left out.
 *
 * @param alone - What each source would say without the others: what lost is told, too.
 */
export function show({ method, values }: ExplainView, ...alone: readonly ExplainView[]): void {
  console.log(method);
  for (const row of values) {
    const { field, value, where } = row;
    const lost = alone.flatMap((view) => view.values.filter((one) => one.field === field && isSaid(one) && one.where !== where));
    if (!isSaid(row) && lost.length === 0) continue;
    console.log(`  ${field.padEnd(27)} ${String(value).padEnd(5)} ${where}`);
    for (const { value: other, where: place } of lost) console.log(`${' '.repeat(30)}not ${other}: ${place}`);
  }
}
