import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { type NamedKey, type Password, readPrivateKey, readPublicKey } from './key.ts';

/** A key of RSA with 16384 bits, sealed, has a fifth of this. */
const SIZE_LIMIT = 64 * 1024;

interface Where {
  readonly cwd: string;
}

/** @throws OCISLIM_KEY_INVALID | OCISLIM_INPUT_NOT_FOUND */
export async function openPrivateKey(path: string, password: Password, { cwd }: Where): Promise<NamedKey> {
  return readPrivateKey(await textOf(path, cwd), path, password);
}

/** @throws OCISLIM_KEY_INVALID | OCISLIM_INPUT_NOT_FOUND */
export async function openPublicKey(path: string, { cwd }: Where): Promise<NamedKey> {
  return readPublicKey(await textOf(path, cwd), path);
}

/** Bounded by what is read, since a file may grow, and a device has no size. */
async function textOf(path: string, cwd: string): Promise<string> {
  const file = await open(resolve(cwd, path)).catch((cause: unknown) => {
    if (systemCode(cause) === undefined) throw cause;
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${path}: no key that could be read there`, {
      hint: 'make a pair with ocislim keygen',
      cause,
    });
  });
  try {
    const bytes = Buffer.alloc(SIZE_LIMIT + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length <= SIZE_LIMIT) return bytes.toString('latin1', 0, length);
  } catch (cause) {
    throw new OcislimError('OCISLIM_KEY_INVALID', `${path}: cannot be read`, { cause });
  } finally {
    await file.close();
  }
  throw new OcislimError('OCISLIM_KEY_INVALID', `${path}: larger than any key (${SIZE_LIMIT} bytes)`);
}
