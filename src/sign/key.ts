import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { OcislimError } from '../lib/errors.ts';
import { seal, unseal } from './sealed-key.ts';

/** A key and what messages call it. */
export interface NamedKey {
  readonly name: string;
  readonly key: KeyObject;
}

/** Asked for the password only where a key has one. */
export type Password = () => Promise<string>;

/** Labels of the PEM of private keys that have a password; the second is cosign's older one. */
const SEALED = ['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY'];
const PLAIN = ['PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY'];
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
const LEAST_RSA_BITS = 2048;
/** Columns of base64 in PEM (RFC 7468 § 2). */
const PEM_LINE = 64;

export interface KeyPair {
  /** PEM, the private key under the password. */
  readonly privateKey: string;
  /** PEM. */
  readonly publicKey: string;
}

/** A new pair of ECDSA on P-256, as `cosign generate-key-pair` makes it. */
export async function generateKeyPair(password: string): Promise<KeyPair> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sealed = await seal(privateKey.export({ type: 'pkcs8', format: 'der' }), password);
  return {
    privateKey: pemOf(SEALED[0] ?? '', sealed),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/**
 * A private key: cosign's, or a plain one in PEM.
 * @throws OCISLIM_KEY_INVALID, also for kinds of keys that signatures are not made with
 */
export async function readPrivateKey(pem: string, name: string, password: Password): Promise<NamedKey> {
  const { label, body } = blockOf(pem, name);
  if (SEALED.includes(label)) {
    const der = await unseal(body, await password(), name);
    return supported(name, () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  }
  if (PLAIN.includes(label)) return supported(name, () => createPrivateKey(pemOf(label, body)));
  const hint = label.includes('PUBLIC') ? 'signing takes the private key, cosign.key' : undefined;
  throw new OcislimError('OCISLIM_KEY_INVALID', `${name}: a ${label}, not a private key`, { hint });
}

/** A public key in PEM. @throws OCISLIM_KEY_INVALID */
export function readPublicKey(pem: string, name: string): NamedKey {
  const { label, body } = blockOf(pem, name);
  if (label === 'PUBLIC KEY') return supported(name, () => createPublicKey(pemOf(label, body)));
  const hint = label.includes('PRIVATE') ? 'verifying takes the public key, cosign.pub' : undefined;
  throw new OcislimError('OCISLIM_KEY_INVALID', `${name}: a ${label}, not a public key`, { hint });
}

/** The public half of a private key. */
export function publicOf({ name, key }: NamedKey): NamedKey {
  return { name, key: key.type === 'public' ? key : createPublicKey(key) };
}

/** The first block of a PEM (RFC 7468). */
function blockOf(pem: string, name: string): { readonly label: string; readonly body: Buffer } {
  const [, label = '', text = ''] =
    /-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n([^-]*)-----END \1-----/.exec(pem) ?? [];
  if (label !== '') return { label, body: Buffer.from(text, 'base64') };
  throw new OcislimError('OCISLIM_KEY_INVALID', `${name}: no key in PEM`, {
    hint: 'make a pair with ocislim keygen',
  });
}

function pemOf(label: string, body: Buffer): string {
  const lines = body.toString('base64').match(new RegExp(`.{1,${PEM_LINE}}`, 'g')) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function supported(name: string, parse: () => KeyObject): NamedKey {
  const key = parsed(name, parse);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
  const isSupported =
    type === 'ed25519' ||
    (type === 'ec' && CURVES.includes(details.namedCurve ?? '')) ||
    (type === 'rsa' && (details.modulusLength ?? 0) >= LEAST_RSA_BITS);
  if (isSupported) return { name, key };
  const kind = [type, details.namedCurve ?? details.modulusLength].filter(Boolean).join(' ');
  throw new OcislimError('OCISLIM_KEY_INVALID', `${name}: keys of the kind ${kind} are not supported`, {
    hint: 'ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048 bits or more; ocislim keygen makes the first',
  });
}

function parsed(name: string, parse: () => KeyObject): KeyObject {
  try {
    return parse();
  } catch (cause) {
    // OpenSSL's words for it could quote the key.
    throw new OcislimError('OCISLIM_KEY_INVALID', `${name}: the key in it cannot be read`, { cause });
  }
}
