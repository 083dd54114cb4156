import { readFileSync } from 'node:fs';
import { constants, deflateRawSync, gzipSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compress } from '../../../src/layer/compression.ts';
import { loadInflate } from '../../../src/layer/inflate/inflate.ts';
import { WebAssembly } from '../../../src/layer/web-assembly.ts';
import { Random } from '../../support/random.ts';
import { bytesOf, streamOf } from '../../support/streams.ts';

/** What `assembly/index.ts` exports. */
interface Code {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: { readonly value: number };
  readonly inputSize: { readonly value: number };
  readonly inputAt: { readonly value: number };
  readonly output: { readonly value: number };
  readonly outputAt: { readonly value: number };
  moveInput(to: number): void;
  start(): void;
  rewindOutput(): void;
  gunzip(inputEnd: number, isLast: boolean): number;
}

const code = new WebAssembly.Instance(loadInflate()).exports as Code;
const [NEEDS_INPUT, PIECE, ENDED, DAMAGED] = [0, 1, 2, 3];

/** Decompresses with so many bytes of input at a time; undefined for what is damaged. */
function gunzip(bytes: Uint8Array, portion = code.inputSize.value): Buffer | undefined {
  const all = new Uint8Array(code.memory.buffer);
  const input = code.input.value;
  const pieces: Buffer[] = [];
  let [at, end] = [0, input];
  let isLast = bytes.length === 0;
  code.moveInput(input);
  code.start();
  for (;;) {
    const state = code.gunzip(end, isLast);
    if (state === DAMAGED) return undefined;
    if (state === NEEDS_INPUT) {
      all.copyWithin(input, code.inputAt.value, end);
      end -= code.inputAt.value - input;
      code.moveInput(input);
      const room = input + code.inputSize.value - end;
      const more = bytes.subarray(at, at + Math.min(portion, room));
      all.set(more, end);
      at += more.length;
      end += more.length;
      all.fill(0, end, end + 64);
      isLast = at === bytes.length || room === 0;
      continue;
    }
    pieces.push(Buffer.from(all.slice(code.output.value, code.outputAt.value)));
    if (state === ENDED) return Buffer.concat(pieces);
    expect(state).toBe(PIECE);
    code.rewindOutput();
  }
}

/** Not toEqual, which takes a minute to say that megabytes differ. */
function expectSame(one: Buffer | undefined, other: Uint8Array): void {
  expect(one === undefined ? 'damaged' : Buffer.compare(one, other)).toBe(0);
}

const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const TRAILER = Buffer.alloc(8);

const member = (raw: Uint8Array) => Buffer.concat([HEADER, raw, TRAILER]);

function noise(length: number, seed = 1): Buffer {
  const numbers = new Random(seed);
  return Buffer.from(Uint8Array.from({ length }, () => numbers.below(256)));
}

const program = readFileSync(process.execPath).subarray(0, 1_000_000);
const text = readFileSync('package-lock.json');
const contents: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'a byte': Buffer.from('x'),
  text,
  'a program': program,
  noise: noise(700_000),
  zeros: Buffer.alloc(1_200_000),
  'what repeats itself at every distance': Buffer.concat(
    Array.from({ length: 40 }, (_, at) => Buffer.concat(Array(300).fill(noise(at + 1, at)))),
  ),
};

const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
const strategies = [Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE];

describe('the decompressor', () => {
  it.each(Object.keys(contents))('gives back what zlib has compressed: %s', (name) => {
    const content = contents[name] ?? Buffer.alloc(0);
    for (const level of [0, 1, 9]) expectSame(gunzip(gzipSync(content, { level })), content);
    for (const strategy of strategies) expectSame(gunzip(gzipSync(content, { strategy })), content);
  });

  it('gives back what our own compressor has compressed', async () => {
    for (const level of [1, 6])
      for (const content of Object.values(contents)) {
        const packed = compress(streamOf(content, 65_536), { kind: 'gzip', level }, { workers: 0 });
        expectSame(gunzip(await bytesOf(packed)), content);
      }
  });

  it('goes on wherever its input was cut', () => {
    const content = Buffer.concat([text.subarray(0, 30_000), noise(3000), text.subarray(0, 60_000)]);
    for (const level of [0, 1, 6])
      for (const portion of [1, 2, 3, 100, 1023, 1024, 1025, 5000])
        expectSame(gunzip(gzipSync(content, { level }), portion), content);
  });

  it('gives back what it was, whatever that is and however it is cut', () => {
    const letters = (max: number) => fc.array(fc.integer({ min: 0, max }), { maxLength: 300 });
    const phrase = fc.oneof(letters(1), letters(3), letters(255)).map((values) => Buffer.from(values));
    const repeated = fc
      .array(fc.tuple(phrase, fc.integer({ min: 1, max: 40 })), { maxLength: 30 })
      .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Buffer>(times).fill(bytes))));
    const levels = fc.integer({ min: 0, max: 9 });
    const numRuns = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 200) / 10;
    fc.assert(
      fc.property(
        repeated,
        levels,
        fc.constantFrom(...strategies),
        fc.integer({ min: 1, max: 5000 }),
        (content, level, strategy, portion) =>
          expectSame(gunzip(gzipSync(content, { level, strategy }), portion), content),
      ),
      { numRuns },
    );
  });

  it('takes and refuses what zlib does, whatever was done to it', () => {
    const numRuns = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 2000);
    const numbers = new Random(7);
    const seeds = [0, 1, 6].flatMap((level) =>
      strategies.map((strategy) =>
        deflateRawSync(Buffer.concat([text.subarray(0, 1500), noise(200), Buffer.alloc(400)]), {
          level,
          strategy,
        }),
      ),
    );
    const seen = { taken: 0, refused: 0 };
    for (let run = 0; run < numRuns; run++) {
      const raw = Buffer.from(seeds[run % seeds.length] ?? []);
      for (let changes = 1 + numbers.below(3); changes > 0; changes--) {
        // Most of what there is to get wrong is in the header of a block.
        const at = numbers.below(numbers.below(2) === 0 ? 90 : raw.length);
        raw[at] = (raw[at] ?? 0) ^ (1 << numbers.below(8));
      }
      const expected = inflated(raw);
      if (expected === undefined) {
        seen.refused++;
        expect(gunzip(Buffer.concat([HEADER, raw]))).toBeUndefined();
      } else {
        seen.taken++;
        expectSame(gunzip(member(raw.subarray(0, expected.read))), expected.content);
      }
    }
    // Neither of the two is rare.
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(numRuns / 20);
  });

  it('refuses what is cut, anywhere', () => {
    const packed = gzipSync(Buffer.concat([text.subarray(0, 2000), noise(300)]));
    for (let length = 0; length < packed.length; length++)
      expect(gunzip(packed.subarray(0, length)), `${length} bytes`).toBeUndefined();
  });

  it('finds what is as far back as a match may reach, in the piece before as well (RFC 1951 § 2)', () => {
    const block = noise(32_768);
    const content = Buffer.concat(Array(40).fill(block));
    // Zlib itself reaches 262 bytes less far.
    const far = Buffer.from(farMatches(block, 39));
    expectSame(gunzip(member(far)), content);
  });

  it('refuses a match that begins before the member does', () => {
    const text = gzipSync('abcdefgh');
    // A literal, then a match of three bytes, two back, then the end; in the fixed code (§ 3.2.6).
    const raw = bits('1 10 10010001 0000001 00001 0000000');
    expect(inflated(raw)).toBeUndefined();
    expect(gunzip(member(raw))).toBeUndefined();
    expect(gunzip(Buffer.concat([text, member(raw)]))).toBeUndefined();
  });
});

describe('gzip files (RFC 1952)', () => {
  const raw = deflateRawSync('hello');
  const withHeader = (flags: number, ...fields: Uint8Array[]) =>
    Buffer.concat([Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 2, 3]), ...fields, raw, TRAILER]);
  const name = Buffer.from('layer.tar\0');
  const comment = Buffer.from('made by hand\0');
  const extra = Buffer.from([4, 0, 65, 66, 0, 0]);
  const check = Buffer.from([9, 9]);

  it.each([
    ['a text flag', withHeader(1)],
    ['a checksum of the header', withHeader(2, check)],
    ['an extra field', withHeader(4, extra)],
    ['a long extra field', withHeader(4, Buffer.from([0xff, 0xff]), Buffer.alloc(65_535, 7))],
    ['a name', withHeader(8, name)],
    ['a comment', withHeader(16, comment)],
    ['all of them', withHeader(31, extra, name, comment, check)],
  ])('may have %s', (_, file) => {
    for (const portion of [1, 7, 100_000]) expect(gunzip(file, portion)?.toString()).toBe('hello');
  });

  it('have one member after the other, the empty ones too', () => {
    const [empty, one, two] = [gzipSync(''), gzipSync('one'), gzipSync(text)];
    const file = Buffer.concat([empty, one, empty, two, one, empty]);
    for (const portion of [1, 50, 100_000])
      expectSame(gunzip(file, portion), Buffer.concat([Buffer.from('one'), text, Buffer.from('one')]));
  });

  it('may be padded with zeros', () => {
    for (const count of [1, 7, 8, 100, 300_000])
      expect(gunzip(Buffer.concat([gzipSync('one'), Buffer.alloc(count)]))?.toString()).toBe('one');
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['another format', Buffer.from('ustar\0 and more of it')],
    ['zeros', Buffer.alloc(100)],
    ['another method', Buffer.concat([Buffer.from([0x1f, 0x8b, 7]), withHeader(0).subarray(3)])],
    ['flags that nobody knows', withHeader(0x20)],
    ['a name without an end', Buffer.concat([withHeader(8).subarray(0, 10), Buffer.alloc(600_000, 65)])],
    ['something behind it', Buffer.concat([gzipSync('one'), Buffer.from('two')])],
    ['a member that is none behind it', Buffer.concat([gzipSync('one'), HEADER, Buffer.alloc(20, 0xff)])],
  ])('are none with %s', (_, file) => {
    for (const portion of [1000, code.inputSize.value]) expect(gunzip(file, portion)).toBeUndefined();
  });
});

/** What zlib makes of a stream, and how much of it that is; undefined for what is damaged. */
function inflated(raw: Uint8Array): { readonly content: Buffer; readonly read: number } | undefined {
  try {
    const { buffer, engine } = inflateRawSync(raw, { info: true }) as unknown as {
      readonly buffer: Buffer;
      readonly engine: { readonly bytesWritten: number };
    };
    return { content: buffer, read: engine.bytesWritten };
  } catch {
    return undefined;
  }
}

/** Bits in the order in which a stream has them: of codes the first is the highest, of numbers the lowest. */
function bits(text: string): Buffer {
  const all = text.replaceAll(' ', '');
  const bytes = Buffer.alloc(Math.ceil(all.length / 8));
  for (const [at, bit] of [...all].entries())
    if (bit === '1') bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7));
  return bytes;
}

/** A stored block, and `times` copies of it in matches from 32,768 bytes back: 127 of 258 bytes and one of two and of four. */
function farMatches(block: Buffer, times: number): Buffer {
  // Distance 32768 is code 29 (11101), with 13 extra bits that are all set.
  const distance = `11101 ${'1'.repeat(13)}`;
  // Length 258 is symbol 285 (11000101); 2 is none, so 126 of them and 260 in two of 130: symbol 281 (11000001), no. 15 of 31.
  const longest = `11000101 ${distance}`;
  // Length 130: base 115 (symbol 280, 11000000) and 15 in four extra bits.
  const half = `11000000 1111 ${distance}`;
  const copies = `${longest.repeat(126)} ${half.repeat(2)}`.repeat(times);
  const head = Buffer.from([0, ...u16(block.length), ...u16(block.length ^ 0xffff)]);
  return Buffer.concat([head, block, bits(`1 10 ${copies} 0000000`)]);
}

function u16(value: number): readonly number[] {
  return [value & 255, value >> 8];
}
