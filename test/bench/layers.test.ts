import { describe, expect, test } from 'vitest';
import { type Msg, makeClient, sayOf, TEXT } from '../../bench/echo.ts';
import { LAYER_NAMES, LAYERS } from '../../bench/layer-variants.ts';
import { summariseLayers } from '../../bench/layers.ts';

describe('layers over the fake channel', () => {
  test.each(LAYER_NAMES)('%s answers every call with what it was sent', async (layer) => {
    const client = makeClient('fake', await LAYERS[layer]());
    const say = sayOf(client);
    const ids = Array.from({ length: 300 }, (_, i) => i);
    const answers = await Promise.all(
      ids.map(
        (id) =>
          new Promise<Msg | undefined>((resolve, reject) => {
            say({ id, text: TEXT }, (error, answer) => (error === null ? resolve(answer) : reject(error)));
          }),
      ),
    );
    client.close();
    expect(answers).toEqual(ids.map((id) => ({ id, text: TEXT })));
  });
});

describe('summary of layers', () => {
  test('what a layer adds is taken slice by slice against bare, then by round', () => {
    const round = (busy: number) =>
      new Map([
        ['bare' as const, [10 * busy, 20 * busy, 10 * busy]],
        ['empty-channel' as const, [10 * busy + 2, 20 * busy + 2, 10 * busy + 9]],
      ]);
    const rows = summariseLayers([round(1), round(3), round(2)]);
    expect(rows.map(({ layer, addedUs }) => [layer, addedUs])).toEqual([
      ['bare', { median: 0, min: 0, max: 0 }],
      ['empty-channel', { median: 2, min: 2, max: 2 }],
    ]);
    expect(rows[0]?.cpuUs).toEqual({ median: 20, min: 10, max: 30 });
  });
});
