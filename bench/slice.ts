/**
 * A slice of calls, many in flight at a time, and the CPU that one of them took.
 *
 * @packageDocumentation
 */
import { type Call, TEXT } from './echo.ts';
import { cpuUs, type LayerResult } from './protocol.ts';

/** Calls in flight at a time. */
const IN_FLIGHT = 128;

/** Makes `calls` calls. */
export function slice(call: Call, calls: number): Promise<LayerResult> {
  return new Promise((resolve, reject) => {
    const before = cpuUs();
    let begun = 0;
    let ended = 0;
    const next = (): void => {
      const id = begun++;
      if (id >= calls) return;
      call({ id, text: TEXT }, (error, answer) => {
        if (error !== null || answer?.id !== id) reject(error ?? new Error(`asked for ${id}, got ${answer?.id}`));
        else if (++ended === calls) resolve({ cpuUs: (cpuUs() - before) / calls });
        else next();
      });
    };
    for (let i = 0; i < IN_FLIGHT; i++) next();
  });
}
