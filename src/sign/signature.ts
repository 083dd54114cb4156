import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** What cosign 3 hashes with for a curve; where it is not SHA-256, cosign 2 hashed with that all the same. */
const HASHES: Readonly<Record<string, string>> = { secp384r1: 'sha384', secp521r1: 'sha512' };

/** ECDSA in DER, RSA by PKCS #1 v1.5, or Ed25519 over the bytes themselves, which cosign verifies so. */
export function signBytes(bytes: Uint8Array, key: KeyObject): Buffer {
  return sign(hashesOf(key)[0], bytes, key);
}

export function isSignedBy(bytes: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return hashesOf(key).some((hash) => verify(hash, bytes, key, signature));
}

/** How a sigstore bundle hints at the key: SHA-256 of the public key's DER, in base64. */
export function keyHint(key: KeyObject): string {
  const publicKey = key.type === 'public' ? key : createPublicKey(key);
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

function hashesOf({
  asymmetricKeyType,
  asymmetricKeyDetails,
}: KeyObject): readonly [string | null, ...string[]] {
  if (asymmetricKeyType === 'ed25519') return [null];
  const own = HASHES[asymmetricKeyDetails?.namedCurve ?? ''];
  return own === undefined ? ['sha256'] : [own, 'sha256'];
}
