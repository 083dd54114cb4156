import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { OcislimError } from '../lib/errors.ts';
import type { HostCertificates } from './host-certificates.ts';

/** Where Linux distributions, BSD and macOS keep the authorities this machine trusts, as Go's crypto/x509 looks. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The authorities that servers are checked against: Node's own, this machine's (companies add theirs there), and
 * `caFile` and those for the host on top of them; and what we show of ourselves.
 * @throws OCISLIM_CONFIG_INVALID when `caFile` cannot be read or holds no certificate.
 */
export function trustedContext(
  caFile: string | undefined,
  env: NodeJS.ProcessEnv,
  own?: HostCertificates,
): SecureContext {
  const extra = caFile === undefined ? [] : [readCaFile(caFile)];
  const named = [env['SSL_CERT_FILE'], env['NODE_EXTRA_CA_CERTS']].flatMap((path) => readIfThere(path));
  const system = SYSTEM_BUNDLES.map((path) => readIfThere(path)).find((found) => found.length > 0) ?? [];
  return createSecureContext({
    ca: [...rootCertificates, ...system, ...named, ...extra, ...(own?.authorities ?? [])],
    ...(own?.keys.length ? { cert: [...own.certificates], key: [...own.keys] } : {}),
  });
}

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

function readIfThere(path: string | undefined): string[] {
  if (path === undefined || path === '') return [];
  try {
    return [readFileSync(path, 'utf8')];
  } catch {
    return [];
  }
}
