import * as v from 'valibot';
import { type Digest, decode, isDigest, parseJson } from '#oci-spec-types';

/** Of a payload as a blob, and where its signature is (cosign's specs/SIGNATURE_SPEC.md). */
export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

const TYPE = 'cosign container image signature';

const simpleSigning = v.looseObject({
  critical: v.looseObject({
    identity: v.looseObject({ 'docker-reference': v.string() }),
    image: v.looseObject({ 'docker-manifest-digest': v.custom<Digest>(isDigest, 'not a digest') }),
    type: v.literal(TYPE),
  }),
});

/** What a signature of the older kind says. */
export interface Claim {
  /** The repository that the signer knew the image by; nothing keeps an image from being elsewhere, too. */
  readonly repository: string;
  readonly digest: Digest;
}

/** Bytes as cosign writes them. */
export function encodeClaim({ repository, digest }: Claim): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': repository },
        image: { 'docker-manifest-digest': digest },
        type: TYPE,
      },
      optional: null,
    }),
  );
}

/** @throws OCISLIM_DOCUMENT_INVALID */
export function decodeClaim(bytes: Uint8Array, what: string): Claim {
  const { critical } = decode(simpleSigning, parseJson(bytes, what), what);
  return {
    repository: critical.identity['docker-reference'],
    digest: critical.image['docker-manifest-digest'],
  };
}
