// Makes src/transports/static/ca-certificates.crt anew from Mozilla's list of authorities, as the `certifi` package of
// PyPI publishes it. Run it by hand and commit what it writes: the file is pinned, since every image on base `static`
// has it, and their digests hang on it.
//
//     node scripts/refresh-ca-certificates.mjs
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const target = fileURLToPath(new URL('../src/transports/static/ca-certificates.crt', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ca-'));
try {
  const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check'];
  execFileSync('python3', ['-m', 'pip', 'download', ...options, '--dest', folder, 'certifi'], {
    stdio: 'inherit',
  });
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip brought no wheel');
  const [, version] = wheel.split('-');
  const read =
    'import sys,zipfile;sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read("certifi/cacert.pem").decode())';
  const bundle = execFileSync('python3', ['-c', read, join(folder, wheel)], { encoding: 'utf8' });
  const certificates = [...bundle.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)]
    .map(([pem]) => new X509Certificate(pem))
    .filter((certificate) => certificate.ca)
    .sort((a, b) => (a.fingerprint256 < b.fingerprint256 ? -1 : 1));
  if (certificates.length < 100)
    throw new Error(`only ${certificates.length} certificates: something is wrong`);
  const nameOf = ({ subject }) => (/^CN=.*/m.exec(subject) ?? /^OU?=.*/m.exec(subject))?.[0] ?? subject;
  const text = [
    `# Authorities that Mozilla trusts for servers (MPL-2.0), from certifi ${version}.`,
    ...certificates.map((certificate) => `\n# ${nameOf(certificate)}\n${certificate.toString().trim()}`),
    '',
  ].join('\n');
  writeFileSync(target, text);
  console.log(`${certificates.length} certificates of certifi ${version}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
