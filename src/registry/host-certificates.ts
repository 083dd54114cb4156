import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OcislimError, systemCode } from '../lib/errors.ts';

/** What one server is spoken to with, beside what all are. PEM. */
export interface HostCertificates {
  /** Where they were found. */
  readonly folder: string;
  /** Authorities to trust for it. */
  readonly authorities: readonly string[];
  /** Certificates that show who asks, and their keys, in the same order. */
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
}

/** Where Podman and Docker keep them (containers-certs.d(5)); the first that knows a host counts. */
export function certificateFolders(env: NodeJS.ProcessEnv, home: string): readonly string[] {
  return [
    join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers/certs.d'),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ];
}

/**
 * Reads `FOLDER/HOST[:PORT]`: `*.crt` are authorities, `NAME.cert` and `NAME.key` a certificate of ours.
 * @returns undefined where no folder has the host
 * @throws OCISLIM_CONFIG_INVALID for a certificate without its key, a key without its certificate, and what cannot be
 *   read
 */
export function readHostCertificates(host: string, folders: readonly string[]): HostCertificates | undefined {
  for (const folder of folders) {
    const path = join(folder, host);
    const names = namesIn(path);
    if (names === undefined) continue;
    const withEnd = (end: string) => names.filter((name) => name.endsWith(end)).sort();
    const read = (name: string) => readPem(join(path, name));
    const certificates = withEnd('.cert');
    for (const name of certificates) requirePartner(path, name, name.replace(/cert$/, 'key'), names);
    for (const name of withEnd('.key')) requirePartner(path, name, name.replace(/key$/, 'cert'), names);
    return {
      folder: path,
      authorities: withEnd('.crt').map(read),
      certificates: certificates.map(read),
      keys: withEnd('.key').map(read),
    };
  }
  return undefined;
}

function namesIn(path: string): readonly string[] | undefined {
  try {
    return readdirSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw invalid(path, `cannot be read (${systemCode(error) ?? 'unknown reason'})`, error);
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(path, `cannot be read (${systemCode(error) ?? 'unknown reason'})`, error);
  }
}

function requirePartner(folder: string, name: string, partner: string, names: readonly string[]): void {
  if (!names.includes(partner)) throw invalid(join(folder, name), `has no ${partner} beside it`);
}

function invalid(path: string, why: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_CONFIG_INVALID', `${path}: ${why}`, {
    hint: 'authorities end in .crt; a certificate of your own is NAME.cert with its NAME.key',
    cause,
  });
}
