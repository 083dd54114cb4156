import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { certificateFolders, readHostCertificates } from '../../src/registry/host-certificates.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { fakeRegistry, putImage } from '../support/fake-registry.ts';
import { registryClient } from '../support/registry-client.ts';
import { tempDir } from '../support/temp.ts';

const fixture = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url)), 'utf8');
const [key, cert] = [fixture('key.pem'), fixture('cert.pem')];

/** A folder like certs.d, with these files for a host. */
function folderFor(host: string, files: Readonly<Record<string, string>>): string {
  const folder = tempDir();
  mkdirSync(join(folder, host));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, host, name), content);
  return folder;
}

describe('certificates for a host', () => {
  it('are its authorities, and what we show of ourselves', async () => {
    const registry = await fakeRegistry({ tls: { key, cert, clients: cert } });
    const { digest } = putImage(registry, 'me/app', '1');
    const reference = parseReference(`${registry.host}/me/app:1`);
    const own = folderFor(registry.host, { 'ca.crt': cert, 'client.cert': cert, 'client.key': key });
    const resolve = (folders: readonly string[]) =>
      registryClient({ certificateFolders: folders }).resolve(reference);
    expect((await resolve([tempDir(), own])).descriptor.digest).toBe(digest);
    const untrusted = folderFor(registry.host, { 'client.cert': cert, 'client.key': key });
    await expect(resolve([untrusted])).rejects.toMatchObject({ code: 'OCISLIM_REGISTRY_TLS' });
    const nobody = folderFor(registry.host, { 'ca.crt': cert });
    const before = registry.seen.length;
    await expect(resolve([nobody, own])).rejects.toMatchObject({ exitCode: 4 });
    expect(registry.seen.length).toBe(before);
  });

  it('are not shown to another host', async () => {
    const registry = await fakeRegistry({ tls: { key, cert, clients: cert } });
    putImage(registry, 'me/app', '1');
    const folder = folderFor('registry.example', { 'ca.crt': cert, 'client.cert': cert, 'client.key': key });
    const client = registryClient({ certificateFolders: [folder], insecure: [registry.host] });
    await expect(client.resolve(parseReference(`${registry.host}/me/app:1`))).rejects.toMatchObject({
      exitCode: 4,
    });
    expect(registry.seen).toEqual([]);
  });

  it.each([
    ['a certificate without its key', { 'client.cert': cert }, /client\.cert: has no client\.key beside it/],
    ['a key without its certificate', { 'client.key': key }, /client\.key: has no client\.cert beside it/],
  ])('%s is an error that names it', (_, files, message) => {
    const folder = folderFor('r.example:5000', files);
    expect(() => readHostCertificates('r.example:5000', [folder])).toThrow(message);
    expect(readHostCertificates('r.example', [folder])).toBeUndefined();
  });

  it('that are none are an error when the host is contacted', async () => {
    const registry = await fakeRegistry({ tls: { key, cert } });
    const folder = folderFor(registry.host, { 'client.cert': 'nonsense', 'client.key': 'nonsense' });
    const client = registryClient({ certificateFolders: [folder] });
    await expect(client.resolve(parseReference(`${registry.host}/me/app:1`))).rejects.toMatchObject({
      code: 'OCISLIM_CONFIG_INVALID',
    });
  });

  it.skipIf(process.getuid?.() === 0)('that cannot be read are an error', () => {
    const folder = folderFor('r.example', { 'ca.crt': cert });
    chmodSync(join(folder, 'r.example/ca.crt'), 0);
    expect(() => readHostCertificates('r.example', [folder])).toThrow(/ca\.crt: cannot be read \(EACCES\)/);
  });

  it("are looked for in the user's folder first", () => {
    expect(certificateFolders({}, '/home/me')[0]).toBe('/home/me/.config/containers/certs.d');
    expect(certificateFolders({ XDG_CONFIG_HOME: '/x' }, '/home/me')[0]).toBe('/x/containers/certs.d');
  });
});
