import type { ContainerConfig } from '#oci-spec-types';
import type { ElfFacts, Facility } from '../elf/program.ts';
import type { Tree } from '../rootfs/tree.ts';
import { type Finding, finding } from './finding.ts';
import { resolveLinkage } from './linkage.ts';
import { type Subject, variable } from './subject.ts';
import type { Identity } from './user.ts';

/** Where Go, OpenSSL, GnuTLS and rustls-native-certs look for certificates of authorities on Linux (Go's root_linux.go). */
const CERTIFICATE_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const CERTIFICATE_FOLDERS = ['/etc/ssl/certs', '/etc/pki/tls/certs'];
/** Where Go and C libraries look for time zones (Go's zoneinfo_unix.go, tzset(3)). */
const ZONE_FOLDERS = [
  '/usr/share/zoneinfo',
  '/usr/share/lib/zoneinfo',
  '/usr/lib/locale/TZ',
  '/etc/zoneinfo',
];

/** Says what a program will ask the system for while it runs, and not find. */
export async function checkFacilities(
  path: string,
  elf: ElfFacts,
  subject: Subject,
  identity: Identity | undefined,
): Promise<readonly Finding[]> {
  const { tree, base, config } = subject;
  const uses = (facility: Facility) => elf.uses?.includes(facility) ?? false;
  const findings: Finding[] = [];
  if (uses('certificates') && !hasCertificates(tree, config)) {
    findings.push(
      finding(
        'certificates-missing',
        `${path} can make TLS connections, but ${base} has no certificates of authorities: they would fail`,
        'add them with --with-certs, or choose base static',
      ),
    );
  }
  const zone = variable(config, 'TZ');
  const isNamed = zone !== undefined && /^:?[A-Za-z_]+\/[\w+/-]+$/.test(zone);
  if ((uses('time-zones') || isNamed) && !hasTimeZones(tree, config)) {
    const who = isNamed ? `TZ is ${zone}` : `${path} looks up time zones`;
    findings.push(
      finding(
        'time-zones-missing',
        `${who}, but ${base} has no time zones`,
        'add them with --with-tzdata; with Go: import _ "time/tzdata"',
      ),
    );
  }
  if (uses('name-service') && (await lacksNameService(path, elf, subject))) {
    findings.push(
      finding(
        'name-service-missing',
        `${path} looks up host names, but the C library of ${base} is without libnss_files.so.2 and libnss_dns.so.2: it would find none`,
        'choose a base that has them, or one with glibc 2.34 or later',
      ),
    );
  }
  if (uses('temporary-files')) findings.push(...checkTemporaryFolder(path, subject, identity));
  return findings;
}

/** Whether authorities' certificates are where programs look for them. */
export function hasCertificates(tree: Tree, config: ContainerConfig): boolean {
  const [file, folder] = [variable(config, 'SSL_CERT_FILE'), variable(config, 'SSL_CERT_DIR')];
  const files = file ? [file] : CERTIFICATE_FILES;
  const folders = folder ? folder.split(':') : CERTIFICATE_FOLDERS;
  return (
    files.some((each) => (tree.lookup(each)?.size ?? 0) > 0) ||
    folders.some((each) => tree.list(each).length > 0)
  );
}

/** Whether time zones are where programs look for them. */
export function hasTimeZones(tree: Tree, config: ContainerConfig): boolean {
  const file = variable(config, 'ZONEINFO');
  if (file !== undefined && tree.lookup(file) !== undefined) return true;
  return ZONE_FOLDERS.some((folder) => tree.list(folder).length > 0);
}

/** glibc has them built in since 2.34. */
async function lacksNameService(path: string, elf: ElfFacts, { tree, config }: Subject): Promise<boolean> {
  const { libc, libraries } = await resolveLinkage({ path, ...elf }, tree, config);
  const library = libraries.find(({ name }) => name === 'libc.so.6');
  const versions = library?.node.facts?.elf?.linkage?.versionsDefined ?? [];
  if (libc !== 'glibc' || library === undefined || versions.length === 0) return false;
  if (versions.includes('GLIBC_2.34')) return false;
  const folder = library.path.slice(0, library.path.lastIndexOf('/'));
  return !['libnss_files.so.2', 'libnss_dns.so.2'].some((name) => tree.lookup(`${folder}/${name}`));
}

function checkTemporaryFolder(
  path: string,
  { tree, base, config }: Subject,
  identity: Identity | undefined,
): readonly Finding[] {
  const folder = variable(config, 'TMPDIR') || '/tmp';
  const node = tree.lookup(folder);
  const says = (why: string, remedy: string) => [
    finding('tmp-missing', `${path} can make temporary files, but ${why}`, remedy),
  ];
  if (node?.type !== 'directory')
    return says(`${base} has no folder ${folder}`, `choose base static, or mount a tmpfs at ${folder}`);
  if (identity === undefined || identity.uid === 0) return [];
  const bit = node.uid === identity.uid ? 0o200 : identity.gids.has(node.gid) ? 0o020 : 0o002;
  if ((node.mode & bit) !== 0) return [];
  return says(`user ${identity.uid} may not write to ${folder} of ${base}`, `mount a tmpfs at ${folder}`);
}
