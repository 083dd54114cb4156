import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import * as v from 'valibot';
import { decode, parseJson } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';

/**
 * What is inside a private key file of cosign: a key in PKCS #8, in a NaCl secretbox (XSalsa20-Poly1305) whose key
 * scrypt makes of the password. The JSON is that of go-securesystemslib's package `encrypted`.
 */

/** Of new keys: what cosign 2 and 3 write. Memory is 128 × N × r = 64 MiB. */
const COST = { N: 65_536, r: 8, p: 1 };
/** What a file may ask for; one that asks for more would stop this machine before it is found wrong. */
const MEMORY_LIMIT = 256 * 1024 * 1024;
const PARALLEL_LIMIT = 16;
const KEY_SIZE = 32;
const NONCE_SIZE = 24;
const SALT_SIZE = 32;

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, 'not base64'));
const sealedKey = v.object({
  kdf: v.object({
    name: v.literal('scrypt'),
    params: v.object({ N: count, r: count, p: count }),
    salt: base64,
  }),
  cipher: v.object({ name: v.literal('nacl/secretbox'), nonce: base64 }),
  ciphertext: base64,
});

type Cost = typeof COST;

/** @returns the JSON that goes into the PEM */
export async function seal(secret: Uint8Array, password: string): Promise<Buffer> {
  const [salt, nonce] = [randomBytes(SALT_SIZE), randomBytes(NONCE_SIZE)];
  const box = xsalsa20poly1305(await keyOf(password, salt, COST), nonce).encrypt(secret);
  return Buffer.from(
    JSON.stringify({
      kdf: { name: 'scrypt', params: COST, salt: salt.toString('base64') },
      cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
      ciphertext: Buffer.from(box).toString('base64'),
    }),
  );
}

/** @throws OCISLIM_KEY_INVALID for another password, and for what is no such JSON or asks for too much */
export async function unseal(json: Uint8Array, password: string, what: string): Promise<Buffer> {
  const { kdf, cipher, ciphertext } = read(json, what);
  const [salt, nonce, box] = [kdf.salt, cipher.nonce, ciphertext].map((text) => Buffer.from(text, 'base64'));
  if (salt === undefined || box === undefined || nonce?.length !== NONCE_SIZE)
    throw new OcislimError('OCISLIM_KEY_INVALID', `${what}: its nonce has not ${NONCE_SIZE} bytes`);
  requireModest(kdf.params, what);
  const key = await keyOf(password, salt, kdf.params);
  try {
    return Buffer.from(xsalsa20poly1305(key, nonce).decrypt(box));
  } catch (cause) {
    throw new OcislimError('OCISLIM_KEY_INVALID', `${what}: the password does not open it`, {
      hint: 'the password is taken from COSIGN_PASSWORD or OCISLIM_KEY_PASSWORD, else asked for',
      cause,
    });
  }
}

function read(json: Uint8Array, what: string): v.InferOutput<typeof sealedKey> {
  try {
    return decode(sealedKey, parseJson(json, what), what);
  } catch (cause) {
    if (!(cause instanceof OcislimError)) throw cause;
    throw new OcislimError('OCISLIM_KEY_INVALID', cause.message, { cause });
  }
}

function requireModest({ N, r, p }: Cost, what: string): void {
  const isPower = Number.isInteger(Math.log2(N)) && N > 1;
  if (isPower && 128 * N * r <= MEMORY_LIMIT && p <= PARALLEL_LIMIT) return;
  throw new OcislimError('OCISLIM_KEY_INVALID', `${what}: scrypt with N=${N}, r=${r}, p=${p} is refused`, {
    hint: 'keys of cosign have N=65536, r=8, p=1',
  });
}

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

function keyOf(password: string, salt: Buffer, { N, r, p }: Cost): Promise<Buffer> {
  // OpenSSL counts a little more than the block itself.
  const maxmem = 128 * N * r + 128 * r * p + 1024 * 1024;
  return derive(password, salt, KEY_SIZE, { N, r, p, maxmem });
}
