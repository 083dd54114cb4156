import type { KeyObject } from 'node:crypto';
import * as v from 'valibot';
import { type Digest, decode, digestAlgorithm, digestHex, parseJson } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import { isSignedBy, keyHint, signBytes } from './signature.ts';

/**
 * The newer kind of signature: a sigstore bundle (sigstore/protobuf-specs, sigstore_bundle.proto) with a DSSE envelope
 * round an in-toto statement that names the manifest's digest, as cosign 3 makes it.
 */

export const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** What version 0.3 was called before it was settled. */
const BUNDLE_TYPES = [BUNDLE, 'application/vnd.dev.sigstore.bundle+json;version=0.3'];
export const IN_TOTO = 'application/vnd.in-toto+json';
export const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
const STATEMENT = 'https://in-toto.io/Statement/v1';

const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, 'not base64'));
const bundle = v.looseObject({
  mediaType: v.picklist(BUNDLE_TYPES),
  verificationMaterial: v.looseObject({ publicKey: v.optional(v.looseObject({})) }),
  dsseEnvelope: v.looseObject({
    payload: base64,
    payloadType: v.literal(IN_TOTO),
    signatures: v.pipe(v.array(v.looseObject({ sig: base64 })), v.length(1)),
  }),
});
const statement = v.looseObject({
  _type: v.literal(STATEMENT),
  predicateType: v.string(),
  subject: v.pipe(
    v.array(v.looseObject({ digest: v.record(v.string(), v.string()) })),
    v.minLength(1),
    v.maxLength(1024),
  ),
});

/** The statement that a manifest is signed, and nothing more. */
export function signStatement(digest: Digest): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: STATEMENT,
      subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) } }],
      predicateType: SIGN_PREDICATE,
      predicate: {},
    }),
  );
}

/** Signs a statement with a key. */
export function signBundle(payload: Uint8Array, key: KeyObject): Buffer {
  const signature = signBytes(authenticated(IN_TOTO, payload), key);
  return Buffer.from(
    JSON.stringify({
      mediaType: BUNDLE,
      verificationMaterial: { publicKey: { hint: keyHint(key) } },
      dsseEnvelope: {
        payload: Buffer.from(payload).toString('base64'),
        payloadType: IN_TOTO,
        signatures: [{ sig: signature.toString('base64') }],
      },
    }),
  );
}

/**
 * Verifies that a bundle is a signature of a manifest by a key.
 * @throws OCISLIM_SIGNATURE_INVALID saying why it is not; OCISLIM_DOCUMENT_INVALID for what is no bundle
 */
export function verifyBundle(bytes: Uint8Array, digest: Digest, key: KeyObject, what: string): void {
  const { verificationMaterial, dsseEnvelope } = decode(bundle, parseJson(bytes, what), what);
  if (verificationMaterial.publicKey === undefined)
    throw new OcislimError(
      'OCISLIM_SIGNATURE_INVALID',
      `${what}: signed with a certificate, not with a key`,
      {
        hint: 'cosign verify --certificate-identity … --certificate-oidc-issuer … verifies those',
      },
    );
  const payload = Buffer.from(dsseEnvelope.payload, 'base64');
  const signature = Buffer.from(dsseEnvelope.signatures[0]?.sig ?? '', 'base64');
  if (!isSignedBy(authenticated(IN_TOTO, payload), signature, key))
    throw new OcislimError('OCISLIM_SIGNATURE_INVALID', `${what}: not signed by this key`);
  // Only what is signed is looked into.
  const { predicateType, subject } = decode(statement, parseJson(payload, what), what);
  if (predicateType !== SIGN_PREDICATE)
    throw new OcislimError(
      'OCISLIM_SIGNATURE_INVALID',
      `${what}: a statement of another kind, ${predicateType}`,
    );
  const isSubject = subject.some((each) => each.digest[digestAlgorithm(digest)] === digestHex(digest));
  if (!isSubject)
    throw new OcislimError('OCISLIM_SIGNATURE_INVALID', `${what}: signs another manifest than ${digest}`);
}

/** What DSSE signs: type and payload with their lengths (DSSE protocol.md § Signature Definition). */
function authenticated(type: string, payload: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `),
    payload,
  ]);
}
