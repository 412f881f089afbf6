/** Makes the PNG of a page smaller: the 256 colours it has most of, each other pixel in the nearest of them. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE_BYTES = 8;
const PALETTE_SIZE = 256;
const MOST_COMMON = 128;

interface Picture {
  readonly width: number;
  readonly height: number;
  /** One number a pixel: 0xRRGGBB. */
  readonly pixels: Uint32Array;
}

/** Reads a PNG as Chromium makes it: 8 bits a channel, RGB or RGBA, not interlaced. */
function decode(png: Buffer): Picture {
  let width = 0;
  let height = 0;
  let channels = 3;
  const data: Buffer[] = [];
  for (let at = SIGNATURE_BYTES; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 8, at + 8 + length);
    const type = png.toString('latin1', at + 4, at + 8);
    if (type === 'IHDR') {
      [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
      channels = body[9] === 6 ? 4 : 3;
    } else if (type === 'IDAT') data.push(body);
    at += length + 12;
  }
  const stride = width * channels;
  const bytes = unfilter(inflateSync(Buffer.concat(data)), stride, height, channels);
  const pixels = Uint32Array.from({ length: width * height }, (_, index) => bytes.readUIntBE(index * channels, 3));
  return { width, height, pixels };
}

/** Takes the filters of the PNG format off: each line says by its first byte what its bytes are differences to. */
function unfilter(raw: Buffer, stride: number, height: number, step: number): Buffer {
  const out = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)] ?? 0;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= step ? (out[at - step] ?? 0) : 0;
      const up = y > 0 ? (out[at - stride] ?? 0) : 0;
      const corner = x >= step && y > 0 ? (out[at - stride - step] ?? 0) : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
      out[at] = ((raw[y * (stride + 1) + 1 + x] ?? 0) + guess) & 0xff;
    }
  }
  return out;
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function chunk(type: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

function distance(a: number, b: number): number {
  const [red, green, blue] = [(a >> 16) - (b >> 16), ((a >> 8) & 0xff) - ((b >> 8) & 0xff), (a & 0xff) - (b & 0xff)];
  return red * red + green * green + blue * blue;
}

/** The colours there are most of, then those that are farthest from all chosen before: a thin red line stays red. */
function paletteOf(counts: ReadonlyMap<number, number>): readonly number[] {
  const byCount = [...counts].sort(([, a], [, b]) => b - a).map(([colour]) => colour);
  const palette = byCount.slice(0, MOST_COMMON);
  const rest = new Map(byCount.slice(MOST_COMMON).map((colour) => [colour, Math.min(...palette.map((own) => distance(own, colour)))]));
  while (palette.length < PALETTE_SIZE && rest.size > 0) {
    const [farthest] = [...rest].reduce((a, b) => (b[1] > a[1] ? b : a));
    palette.push(farthest);
    rest.delete(farthest);
    for (const [colour, away] of rest) rest.set(colour, Math.min(away, distance(farthest, colour)));
  }
  return palette;
}

/** The same picture in at most 256 colours. */
export function smallerPng(png: Buffer): Buffer {
  const { width, height, pixels } = decode(png);
  const counts = new Map<number, number>();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = paletteOf(counts);
  const nearest = new Map(
    [...counts.keys()].map((colour) => {
      let best = 0;
      palette.forEach((own, index) => {
        if (distance(own, colour) < distance(palette[best] ?? 0, colour)) best = index;
      });
      return [colour, best];
    }),
  );
  const lines = Buffer.alloc((width + 1) * height);
  pixels.forEach((colour, index) => {
    lines[index + Math.floor(index / width) + 1] = nearest.get(colour) ?? 0;
  });
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff]));
  return Buffer.concat([
    png.subarray(0, SIGNATURE_BYTES),
    chunk('IHDR', head),
    chunk('PLTE', colours),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
