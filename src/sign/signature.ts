import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** What cosign 3 signs with for a curve, though its own `cosign verify --key` takes SHA-256 unless it is told. */
const OTHER_HASHES: Readonly<Record<string, string>> = { secp384r1: 'sha384', secp521r1: 'sha512' };

/** ECDSA in DER, RSA by PKCS #1 v1.5, or Ed25519 over the bytes themselves: what `cosign verify --key` takes. */
export function signBytes(bytes: Uint8Array, key: KeyObject): Buffer {
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key);
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

function hashesOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly (string | null)[] {
  if (asymmetricKeyType === 'ed25519') return [null];
  const other = OTHER_HASHES[asymmetricKeyDetails?.namedCurve ?? ''];
  return other === undefined ? ['sha256'] : ['sha256', other];
}
