import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { validateArtifact } from '../../src/image/validate.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { Store } from '../../src/store/store.ts';
import { findInStore } from '../../src/transports/store.ts';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { ocislim, packed, root, succeeded } from '../support/cli.ts';
import { expectConformance } from '../support/conformance.ts';
import { testContext } from '../support/context.ts';
import { HTPASSWD, startRegistry } from '../support/docker-registry.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));
const TLS = { certificate: fixture('cert.pem'), key: fixture('key.pem') };

describeWithPeers("Debian's docker-registry", ['docker-registry'], () => {
  it('keeps to the same specification as the scripted one', async () => {
    const registry = await startRegistry();
    try {
      await expectConformance(registry.host);
    } finally {
      await registry.stop();
    }
  });

  it.each([
    ['open', false, false],
    ['with passwords', true, false],
    ['with TLS and an authority of its own', false, true],
    ['with passwords and TLS', true, true],
  ])('%s takes a base, a packed image, and gives it to another machine', async (_, auth, tls) => {
    const htpasswd = join(tempDir(), 'htpasswd');
    writeFileSync(htpasswd, HTPASSWD);
    const registry = await startRegistry({ ...(auth ? { htpasswd } : {}), ...(tls ? { tls: TLS } : {}) });
    try {
      const [folder, other] = [tempDir(), tempDir()];
      copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
      const [amd64] = alpineBases();
      if (amd64 === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), amd64);
      const env = { OCISLIM_HOME: tempDir(), HOME: tempDir() };
      const options = { cwd: folder, env };
      const trust = tls ? ['--ca-file', TLS.certificate] : [];
      const base = `${registry.host}/alpine:3`;
      const tag = `${registry.host}/me/hello:1`;
      const pack = ['pack', './hello', '--base', base, '-t', tag, '--push', ...trust];

      if (tls) {
        const refused = await ocislim(['pull', base], options);
        expect(refused.code).toBe(4);
        expect(refused.stderr).toMatch(/its certificate is not trusted.*\nhint: .*--ca-file/);
      }
      if (auth) {
        const refused = await ocislim([...pack, ...trust], options);
        expect(refused.code).toBe(5);
        // The base may have been asked for at the same time, but nothing was given or taken.
        expect([...new Set(registry.requests().map(({ status }) => status))]).toEqual([401]);
        const login = ['login', registry.host, '-u', 'me', '--password-stdin', ...trust];
        expect(await ocislim(login, { ...options, input: 'right\n' })).toMatchObject({ code: 0 });
      }
      await succeeded(['copy', 'oci:alpine', `docker://${base}`, ...trust], options);
      const { digest } = await packed(pack, options);
      await succeeded(['pull', tag, ...trust], { cwd: folder, env: { ...env, OCISLIM_HOME: other } });
      const store = await Store.open(other);
      const pulled = await findInStore(parseReference(tag), await testContext({ store }));
      if (pulled === undefined) throw new Error('not in the store');
      expect(pulled.descriptor.digest).toBe(digest);
      expect(await validateArtifact(pulled)).toEqual([]);
    } finally {
      await registry.stop();
    }
  });
});
