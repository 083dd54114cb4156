import { pipeline } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { Meter, readVerified, Verifier } from '../../src/lib/verify.ts';
import { bytesOf, streamOf } from '../support/streams.ts';

const content = Buffer.from('content of a blob');
const expected = { digest: sha256(content), size: content.length };

describe('Verifier', () => {
  const through = (bytes: Buffer, wanted = expected) => {
    const verifier = new Verifier(wanted);
    pipeline(streamOf(bytes, 3), verifier, () => {});
    return bytesOf(verifier);
  };

  it('passes on what is right', async () => {
    expect(await through(content)).toEqual(content);
    expect(await through(Buffer.alloc(0), { digest: sha256(''), size: 0 })).toEqual(Buffer.alloc(0));
  });

  it.each([
    ['too little', content.subarray(1), 'OCISLIM_SIZE_MISMATCH'],
    ['too much', Buffer.concat([content, Buffer.from('!')]), 'OCISLIM_SIZE_MISMATCH'],
    ['other bytes', Buffer.from('Content of a blob'), 'OCISLIM_DIGEST_MISMATCH'],
  ])('refuses %s', async (_, bytes, code) => {
    await expect(through(bytes)).rejects.toMatchObject({ code });
  });

  it('knows sha512', async () => {
    const { createHash } = await import('node:crypto');
    const digest = `sha512:${createHash('sha512').update(content).digest('hex')}` as const;
    expect(await through(content, { digest, size: content.length } as never)).toEqual(content);
  });

  it('stops an endless stream at the first byte too many', async () => {
    let given = 0;
    const endless = async function* () {
      for (;;) {
        given++;
        yield Buffer.alloc(1000);
      }
    };
    const { Readable } = await import('node:stream');
    await expect(
      readVerified(Readable.from(endless()), { digest: sha256(''), size: 5000 }),
    ).rejects.toMatchObject({
      code: 'OCISLIM_SIZE_MISMATCH',
    });
    expect(given).toBeLessThan(100);
  });
});

it('Meter says size and digest of what it took', () => {
  const meter = new Meter();
  meter.take(content.subarray(0, 4));
  meter.take(content.subarray(4));
  expect({ digest: meter.digest, size: meter.size }).toEqual(expected);
});
