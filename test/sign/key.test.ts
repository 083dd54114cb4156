import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateKeyPair, publicOf, readPrivateKey, readPublicKey } from '../../src/sign/key.ts';
import { openPrivateKey, openPublicKey } from '../../src/sign/key-file.ts';
import { isSignedBy, signBytes } from '../../src/sign/signature.ts';
import { PASSWORD, PRIVATE_KEY, PUBLIC_KEY } from '../support/cosign-made.ts';
import { tempDir } from '../support/temp.ts';

const password = async () => PASSWORD;
const never = () => Promise.reject(new Error('asked for a password'));

function fileOf(content: string): { readonly name: string; readonly cwd: string } {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'a.key'), content);
  return { name: 'a.key', cwd };
}

/** A private key file of cosign with other JSON in it. */
function sealedFile(change: (json: Record<string, Record<string, unknown>>) => void): string {
  const [first = '', ...rest] = PRIVATE_KEY.trim().split('\n');
  const json = JSON.parse(Buffer.from(rest.slice(0, -1).join(''), 'base64').toString());
  change(json);
  return [first, Buffer.from(JSON.stringify(json)).toString('base64'), rest.at(-1)].join('\n');
}

describe('a key of cosign', () => {
  it('opens with its password, and is the private half of its public key', async () => {
    const { key } = publicOf(await readPrivateKey(PRIVATE_KEY, 'cosign.key', password));
    expect(key.equals(readPublicKey(PUBLIC_KEY, 'cosign.pub').key)).toBe(true);
  });

  it('does not open with another', async () => {
    const opened = readPrivateKey(PRIVATE_KEY, 'cosign.key', async () => 'Secret');
    await expect(opened).rejects.toMatchObject({
      code: 'OCISLIM_KEY_INVALID',
      message: 'cosign.key: the password does not open it',
      hint: expect.stringContaining('COSIGN_PASSWORD'),
    });
  });

  it('does not open with a byte of it changed', async () => {
    const changed = sealedFile((json) => {
      const box = Buffer.from(String(json['ciphertext']), 'base64');
      box[20] = (box[20] ?? 0) ^ 1;
      Object.assign(json, { ciphertext: box.toString('base64') });
    });
    await expect(readPrivateKey(changed, 'k', password)).rejects.toMatchObject({
      message: 'k: the password does not open it',
    });
  });

  it.each([
    ['memory', { N: 2 ** 24, r: 8, p: 1 }],
    ['blocks', { N: 65_536, r: 2 ** 20, p: 1 }],
    ['time', { N: 65_536, r: 8, p: 2 ** 20 }],
    ['no power of two', { N: 65_535, r: 8, p: 1 }],
  ])('that asks for too much %s is refused before anything is computed', async (_, params) => {
    const file = sealedFile((json) => Object.assign(json['kdf'] ?? {}, { params }));
    await expect(readPrivateKey(file, 'k', password)).rejects.toMatchObject({
      code: 'OCISLIM_KEY_INVALID',
      message: `k: scrypt with N=${params.N}, r=${params.r}, p=${params.p} is refused`,
    });
  });

  it.each([
    ['another way to make its key', (json: object) => Object.assign(json, { kdf: { name: 'argon2' } })],
    ['no ciphertext', (json: object) => Object.assign(json, { ciphertext: 1 })],
    [
      'a short nonce',
      (json: object) => Object.assign(json, { cipher: { name: 'nacl/secretbox', nonce: 'AAAA' } }),
    ],
  ])('with %s is refused', async (_, change) => {
    const read = readPrivateKey(sealedFile(change), 'k', password);
    await expect(read).rejects.toMatchObject({ code: 'OCISLIM_KEY_INVALID' });
  });
});

describe('a pair that is made here', () => {
  it('is on P-256, sealed, and never the same twice', async () => {
    const [one, two] = await Promise.all([generateKeyPair('pass'), generateKeyPair('pass')]);
    expect(one.privateKey).toMatch(/^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n/);
    expect(one.privateKey).not.toBe(two.privateKey);
    const { key } = await readPrivateKey(one.privateKey, 'k', async () => 'pass');
    expect(key.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    const { key: publicKey } = readPublicKey(one.publicKey, 'p');
    expect(isSignedBy(Buffer.from('x'), signBytes(Buffer.from('x'), key), publicKey)).toBe(true);
    expect(isSignedBy(Buffer.from('y'), signBytes(Buffer.from('x'), key), publicKey)).toBe(false);
  });

  it('may have an empty password', async () => {
    const { privateKey } = await generateKeyPair('');
    await expect(readPrivateKey(privateKey, 'k', async () => '')).resolves.toMatchObject({ name: 'k' });
  });
});

describe('a plain key', () => {
  it.each([
    ['ECDSA on P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'sec1'],
    ['ECDSA on P-256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'pkcs8'],
    ['Ed25519', () => generateKeyPairSync('ed25519'), 'pkcs8'],
    ['RSA', () => generateKeyPairSync('rsa', { modulusLength: 2048 }), 'pkcs1'],
  ] as const)('of %s is taken without a password', async (_, make, type) => {
    const pair = make();
    const pem = pair.privateKey.export({ type, format: 'pem' } as never).toString();
    const { key } = await readPrivateKey(pem, 'k', never);
    const signature = signBytes(Buffer.from('x'), key);
    expect(isSignedBy(Buffer.from('x'), signature, pair.publicKey)).toBe(true);
    expect(isSignedBy(Buffer.from('X'), signature, pair.publicKey)).toBe(false);
    expect(isSignedBy(Buffer.from('x'), Buffer.from('no signature'), pair.publicKey)).toBe(false);
  });

  it.each([
    ['on a curve that cosign has not got', generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
    ['of RSA that is too short', generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ['for agreeing on a secret', generateKeyPairSync('x25519')],
  ])('%s is refused', async (_, { privateKey, publicKey }) => {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const refused = { code: 'OCISLIM_KEY_INVALID', message: expect.stringContaining('are not supported') };
    await expect(readPrivateKey(pem, 'k', never)).rejects.toMatchObject(refused);
    const text = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(() => readPublicKey(text, 'k')).toThrow(expect.objectContaining(refused));
  });
});

describe('a file that is no key', () => {
  it.each([
    ['empty', ''],
    ['text', 'hello'],
    ['a PEM without an end', PUBLIC_KEY.slice(0, 90)],
    ['a PEM of noise', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('is refused: %s', async (_, text) => {
    const { name, cwd } = fileOf(text);
    await expect(openPrivateKey(name, never, { cwd })).rejects.toMatchObject({ code: 'OCISLIM_KEY_INVALID' });
    await expect(openPublicKey(name, { cwd })).rejects.toMatchObject({ code: 'OCISLIM_KEY_INVALID' });
  });

  it('of hostile size is not read to its end', async () => {
    const { name, cwd } = fileOf('-'.repeat(64 * 1024 + 1));
    const message = `${name}: larger than any key (65536 bytes)`;
    await expect(openPublicKey(name, { cwd })).rejects.toMatchObject({ message });
    await expect(openPublicKey('/dev/zero', { cwd })).rejects.toMatchObject({ code: 'OCISLIM_KEY_INVALID' });
  });

  it('of a length that a key might have is refused in one pass', async () => {
    const text = '-----BEGIN PUBLIC KEY-----\n'.repeat(2000);
    await expect(openPublicKey(fileOf(text).name, fileOf(text))).rejects.toMatchObject({
      message: 'a.key: no key in PEM',
    });
  });

  it('is a folder, or not there', async () => {
    const cwd = tempDir();
    await expect(openPublicKey('.', { cwd })).rejects.toMatchObject({ code: 'OCISLIM_KEY_INVALID' });
    await expect(openPublicKey('none', { cwd })).rejects.toMatchObject({ code: 'OCISLIM_INPUT_NOT_FOUND' });
  });

  it('is the wrong half of a pair, which it says', async () => {
    expect(() => readPublicKey(PRIVATE_KEY, 'k')).toThrow(
      expect.objectContaining({ hint: 'verifying takes the public key, cosign.pub' }),
    );
    await expect(readPrivateKey(PUBLIC_KEY, 'k', never)).rejects.toMatchObject({
      hint: 'signing takes the private key, cosign.key',
    });
  });
});
