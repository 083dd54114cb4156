import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/layer/entry.ts';
import { staticBaseEntries } from '../../src/transports/static/files.ts';
import { bytesOf } from '../support/streams.ts';

const entries = staticBaseEntries(1_234_567_890);
const at = (path: string) => entries.find((entry) => entry.path === path);

async function textOf(entry: Entry | undefined): Promise<string> {
  if (entry?.open === undefined) throw new Error('no such file');
  return (await bytesOf(await entry.open())).toString();
}

describe('the embedded base', () => {
  it('lists its files by path, each once, and every folder before what is in it', () => {
    const paths = entries.map(({ path }) => path);
    expect(paths).toEqual([...new Set(paths)].sort());
    for (const path of paths.filter((each) => each.includes('/'))) {
      expect(at(path.slice(0, path.lastIndexOf('/')))?.type, path).toBe('directory');
    }
  });

  it('has the time that it is given on every file', () => {
    expect(new Set(entries.map(({ mtime }) => mtime))).toEqual(new Set([1_234_567_890]));
  });

  it('has files of exactly the size that their entries say, as often as they are read', async () => {
    for (const entry of entries.filter(({ type }) => type === 'file')) {
      expect(Buffer.byteLength(await textOf(entry)), entry.path).toBe(entry.size);
      expect(Buffer.byteLength(await textOf(entry)), entry.path).toBe(entry.size);
    }
  });

  it('has root, nobody and a user without privileges, each with a group and nobody with a shell', async () => {
    const users = (await textOf(at('etc/passwd'))).trimEnd().split('\n');
    const groups = (await textOf(at('etc/group'))).trimEnd().split('\n');
    const ids = users.map((line) => {
      const [name, , uid, gid, , , shell] = line.split(':');
      expect(shell).toBe('/sbin/nologin');
      expect(
        groups.some((group) => group.split(':')[2] === gid),
        line,
      ).toBe(true);
      return [name, uid, gid];
    });
    expect(ids).toEqual([
      ['root', '0', '0'],
      ['nobody', '65534', '65534'],
      ['nonroot', '65532', '65532'],
    ]);
  });

  it('lets everyone write to /tmp, and only its owner into a home', () => {
    const modes = (path: string) => [at(path)?.mode.toString(8), at(path)?.uid, at(path)?.gid];
    expect(modes('tmp')).toEqual(['1777', 0, 0]);
    expect(modes('root')).toEqual(['700', 0, 0]);
    expect(modes('home/nonroot')).toEqual(['700', 65532, 65532]);
    expect(modes('usr/local/bin')).toEqual(['755', 0, 0]);
  });

  it('asks /etc/hosts before DNS, and says what it is', async () => {
    expect(await textOf(at('etc/nsswitch.conf'))).toMatch(/^hosts:\s+files dns$/m);
    expect(await textOf(at('etc/os-release'))).toMatch(/^ID=ocislim-static$/m);
  });
});

describe('the certificates of the embedded base', () => {
  const bundle = () => textOf(at('etc/ssl/certs/ca-certificates.crt'));
  const certificates = async () =>
    ((await bundle()).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
      (pem) => new X509Certificate(pem),
    );

  it('are all there, each once, in an order that does not hang on where they came from', async () => {
    const prints = (await certificates()).map(({ fingerprint256 }) => fingerprint256);
    expect(prints.length).toBeGreaterThanOrEqual(100);
    expect(prints).toEqual([...new Set(prints)].sort());
    expect((await bundle()).match(/BEGIN CERTIFICATE/g)).toHaveLength(prints.length);
  });

  it('are authorities that vouch for themselves', async () => {
    for (const certificate of await certificates()) {
      expect(certificate.ca, certificate.subject).toBe(true);
      expect(certificate.issuer).toBe(certificate.subject);
      expect(certificate.verify(certificate.publicKey), certificate.subject).toBe(true);
    }
  });

  it('were all valid on the day of the list that they come from', async () => {
    const [, version = ''] = /^# .* certifi (\d{4}\.\d{2}\.\d{2})\.$/m.exec(await bundle()) ?? [];
    const day = Date.parse(version.replaceAll('.', '-'));
    for (const { validFrom, validTo, subject } of await certificates()) {
      expect(Date.parse(validFrom), subject).toBeLessThan(day);
      expect(Date.parse(validTo), subject).toBeGreaterThan(day);
    }
  });

  it('include one that half of the web hangs on', async () => {
    expect((await certificates()).some(({ subject }) => subject.includes('CN=ISRG Root X1'))).toBe(true);
  });
});
