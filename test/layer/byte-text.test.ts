import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemPath, textOfBytes } from '../../src/layer/byte-text.ts';

const textOf = (bytes: Uint8Array) => textOfBytes(Buffer.from(bytes).toString('latin1'));

describe('names as text', () => {
  it('are UTF-8 where they can be', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(textOf(Buffer.from(text))).toBe(text);
        expect(systemPath(text)).toBe(text);
      }),
    );
  });

  it('are the same bytes again for the system, whatever they were', () => {
    const bytes = fc.uint8Array({ maxLength: 12 });
    const mixed = fc.array(
      fc.oneof(
        bytes,
        fc.string({ unit: 'binary', maxLength: 3 }).map((text) => Buffer.from(text)),
      ),
    );
    fc.assert(
      fc.property(mixed, (parts) => {
        const name = Buffer.concat(parts);
        expect(Buffer.from(systemPath(textOf(name)))).toEqual(name);
      }),
      { numRuns: 500 },
    );
  });

  it('of different bytes are different, also as JSON', () => {
    const names = [
      [0x61, 0xff],
      [0x61, 0xfe],
      [0xed, 0xb3, 0xbf],
      [0xef, 0xbf, 0xbd],
    ].map((bytes) => textOf(Buffer.from(bytes)));
    expect(new Set(names).size).toBe(4);
    expect(JSON.parse(JSON.stringify(names))).toEqual(names);
  });
});
