import { readFileSync } from 'node:fs';
import { OcislimError } from '../lib/errors.ts';

/** Reads `--ca-file`, so that a mistake in it is found before anything connects. */
export function readCaFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OcislimError('OCISLIM_CONFIG_INVALID', `CA file ${path}: cannot be read`, {
      hint: '--ca-file takes a file of certificates in PEM form',
      cause,
    });
  }
  if (text.includes('-----BEGIN CERTIFICATE-----') || text.includes('-----BEGIN TRUSTED CERTIFICATE-----')) {
    return text;
  }
  throw new OcislimError('OCISLIM_CONFIG_INVALID', `CA file ${path}: holds no certificate in PEM form`, {
    hint: 'a DER file becomes PEM with: openssl x509 -inform der -in FILE -out FILE.pem',
  });
}
