/**
 * Which rules hold for the calls of one client.
 *
 * @packageDocumentation
 */
import type { PolicyTable, ServiceConfigPolicy } from './resolve.ts';

/** The mesh's; where the client brought a service config, with what that says. */
export function tableOf(table: PolicyTable, { imported }: { readonly imported?: ServiceConfigPolicy | undefined }): PolicyTable {
  return imported === undefined ? table : table.withServiceConfig(imported);
}
