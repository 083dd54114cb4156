import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { readCaFile } from './ca-file.ts';
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

function readIfThere(path: string | undefined): string[] {
  if (path === undefined || path === '') return [];
  try {
    return [readFileSync(path, 'utf8')];
  } catch {
    return [];
  }
}
