import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Digest, sha256 } from '#oci-spec-types';
import { verifyTagged } from '../../src/pack/signatures.ts';
import { signBundle, signStatement, verifyBundle } from '../../src/sign/bundle.ts';
import { readPublicKey } from '../../src/sign/key.ts';
import { signBytes } from '../../src/sign/signature.ts';
import { decodeClaim, encodeClaim } from '../../src/sign/simple-signing.ts';
import { BUNDLE_FILE, DIGEST, PAYLOAD, PUBLIC_KEY, SIGNATURE } from '../support/cosign-made.ts';

const cosign = readPublicKey(PUBLIC_KEY, 'cosign.pub');
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const bytes = Buffer.from(BUNDLE_FILE);
const invalid = { code: 'OCISLIM_SIGNATURE_INVALID' };

type Json = Record<string, Record<string, never>>;

/** The bundle with something in it changed. */
function changed(change: (bundle: Json) => void): Buffer {
  const bundle = JSON.parse(BUNDLE_FILE);
  change(bundle);
  return Buffer.from(JSON.stringify(bundle));
}

/** Base64 with the lowest bit of one byte of what it stands for flipped. */
function flipped(text: string, at: number): string {
  const raw = Buffer.from(text, 'base64');
  raw[at] = (raw[at] ?? 0) ^ 1;
  return raw.toString('base64');
}

const check = (bundle: Uint8Array, digest: string = DIGEST, key = cosign.key) =>
  verifyBundle(bundle, digest as Digest, key, 'b');

describe('a bundle of cosign', () => {
  it('is right by its key, for its manifest', () => {
    expect(() => check(bytes)).not.toThrow();
  });

  it('is not for another manifest', () => {
    const digest = DIGEST.replace(/.$/, '0');
    expect(() => check(bytes, digest)).toThrow(
      expect.objectContaining({ ...invalid, message: `b: signs another manifest than ${digest}` }),
    );
  });

  it('is not right by another key', () => {
    expect(() => check(bytes, DIGEST, other.publicKey)).toThrow(
      expect.objectContaining({ ...invalid, message: 'b: not signed by this key' }),
    );
  });

  it('is not right with any byte of its payload or its signature changed', () => {
    const envelope = JSON.parse(BUNDLE_FILE).dsseEnvelope;
    const lengths = [envelope.payload, envelope.signatures[0].sig].map(
      (text) => Buffer.from(text, 'base64').length,
    );
    let tried = 0;
    for (let at = 0; at < (lengths[0] ?? 0); at++, tried++)
      expect(() =>
        check(
          changed(({ dsseEnvelope }) =>
            Object.assign(dsseEnvelope ?? {}, { payload: flipped(envelope.payload, at) }),
          ),
        ),
      ).toThrow(expect.objectContaining(invalid));
    for (let at = 0; at < (lengths[1] ?? 0); at++, tried++)
      expect(() =>
        check(
          changed(({ dsseEnvelope }) =>
            Object.assign(dsseEnvelope ?? {}, {
              signatures: [{ sig: flipped(envelope.signatures[0].sig, at) }],
            }),
          ),
        ),
      ).toThrow(expect.objectContaining(invalid));
    expect(tried).toBeGreaterThan(250);
  });

  it.each([
    [
      'two signatures',
      ({ dsseEnvelope }: Json) =>
        Object.assign(dsseEnvelope ?? {}, { signatures: [{ sig: '' }, { sig: '' }] }),
    ],
    ['none', ({ dsseEnvelope }: Json) => Object.assign(dsseEnvelope ?? {}, { signatures: [] })],
    [
      'another type of payload',
      ({ dsseEnvelope }: Json) => Object.assign(dsseEnvelope ?? {}, { payloadType: 'text/plain' }),
    ],
    [
      'another version',
      (bundle: Json) => Object.assign(bundle, { mediaType: 'application/vnd.dev.sigstore.bundle.v9+json' }),
    ],
  ])('with %s is refused', (_, change) => {
    expect(() => check(changed(change))).toThrow(
      expect.objectContaining({ code: 'OCISLIM_DOCUMENT_INVALID' }),
    );
  });

  it('with a certificate is told from one with a key', () => {
    const bundle = changed((each) =>
      Object.assign(each, { verificationMaterial: { certificate: { rawBytes: '' } } }),
    );
    expect(() => check(bundle)).toThrow(
      expect.objectContaining({ ...invalid, message: 'b: signed with a certificate, not with a key' }),
    );
  });
});

describe('a bundle that is made here', () => {
  const digest = sha256('manifest');

  it('says the same as one of cosign', () => {
    const made = JSON.parse(signBundle(signStatement(DIGEST), other.privateKey).toString());
    const theirs = JSON.parse(BUNDLE_FILE);
    expect(made.mediaType).toBe(theirs.mediaType);
    expect(made.dsseEnvelope.payloadType).toBe(theirs.dsseEnvelope.payloadType);
    const [own, expected] = [made, theirs].map(({ dsseEnvelope }) =>
      JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString()),
    );
    // What has no annotations need not say so.
    delete expected.subject[0].annotations;
    expect(own).toEqual(expected);
  });

  it('is right by its key alone', () => {
    const made = signBundle(signStatement(digest), other.privateKey);
    expect(() => check(made, digest, other.publicKey)).not.toThrow();
    expect(() => check(made, digest)).toThrow(expect.objectContaining(invalid));
  });

  it('that states something else about the manifest is no signature of it', () => {
    const statement = JSON.parse(signStatement(digest).toString());
    const sbom = Buffer.from(JSON.stringify({ ...statement, predicateType: 'https://spdx.dev/Document' }));
    expect(() => check(signBundle(sbom, other.privateKey), digest, other.publicKey)).toThrow(
      expect.objectContaining({
        ...invalid,
        message: 'b: a statement of another kind, https://spdx.dev/Document',
      }),
    );
  });
});

describe('a signature under a tag', () => {
  const tagged = { payload: Buffer.from(PAYLOAD), signature: Buffer.from(SIGNATURE, 'base64') };

  it('of cosign is right by its key, for its manifest', () => {
    expect(verifyTagged(tagged, DIGEST, cosign)).toEqual({
      format: 'tag',
      key: 'cosign.pub',
      repository: '127.0.0.1:5777/me/app',
    });
  });

  it('is not right with any byte of payload or signature changed', () => {
    for (const part of ['payload', 'signature'] as const)
      for (let at = 0; at < tagged[part].length; at++) {
        const bytes = Buffer.from(flipped(tagged[part].toString('base64'), at), 'base64');
        expect(() => verifyTagged({ ...tagged, [part]: bytes }, DIGEST, cosign)).toThrow(
          expect.objectContaining(invalid),
        );
      }
  });

  it('is not for another manifest, nor by another key', () => {
    expect(() => verifyTagged(tagged, sha256('x'), cosign)).toThrow(
      expect.objectContaining({ ...invalid, message: `the tagged signature: signs ${DIGEST}` }),
    );
    expect(() => verifyTagged(tagged, DIGEST, { name: 'o', key: other.publicKey })).toThrow(
      expect.objectContaining({ ...invalid, message: 'the tagged signature: not signed by this key' }),
    );
  });

  it('has the payload that cosign writes, byte by byte', () => {
    const claim = { repository: '127.0.0.1:5777/me/app', digest: DIGEST } as const;
    expect(encodeClaim(claim).toString()).toBe(PAYLOAD);
    expect(decodeClaim(Buffer.from(PAYLOAD), 'p')).toEqual(claim);
  });

  it('of another kind of payload is refused, though it is signed', () => {
    const payload = Buffer.from(PAYLOAD.replace('cosign container image signature', 'something else'));
    const signature = signBytes(payload, other.privateKey);
    expect(() => verifyTagged({ payload, signature }, DIGEST, { name: 'o', key: other.publicKey })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_DOCUMENT_INVALID' }),
    );
  });
});
