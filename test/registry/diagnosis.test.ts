import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/registry/diagnosis.ts';
import { parsePlace } from '../../src/registry/place.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { type FakeOptions, fakeRegistry, fault, putImage } from '../support/fake-registry.ts';
import { registryClient } from '../support/registry-client.ts';
import { tempDir } from '../support/temp.ts';

const STEPS = ['name', 'proxy', 'tls', 'api', 'credentials', 'pull', 'push', 'mount', 'rate limit'];
const SECRET = 'canary-7b1c';

/** A home whose config.json knows `me` at a host. */
function homeWith(host: string, password = SECRET): string {
  const home = tempDir();
  mkdirSync(join(home, '.docker'));
  const auth = Buffer.from(`me:${password}`).toString('base64');
  writeFileSync(join(home, '.docker/config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
  return home;
}

/** Looks at `me/app:1` of a registry that has it. */
async function diagnosed(
  options: FakeOptions = {},
  { home, tag = '1' }: { home?: (host: string) => string; tag?: string } = {},
) {
  const registry = await fakeRegistry(options);
  putImage(registry, 'me/app', '1');
  const client = registryClient(home === undefined ? {} : { home: home(registry.host) });
  const findings = await client.diagnose(parseReference(`${registry.host}/me/app:${tag}`));
  const by = (step: Finding['step']) => findings.find((finding) => finding.step === step);
  return { registry, findings, by };
}

const statuses = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.map(({ step, status }) => [step, status]));

describe('the way to a registry', () => {
  it('is looked at in order, and left as it was', async () => {
    const { findings, by, registry } = await diagnosed();
    expect(findings.map(({ step }) => step)).toEqual(STEPS);
    expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(by('tls')?.detail).toBe(`${registry.host}: plain HTTP, nothing is encrypted`);
    expect(by('credentials')?.detail).toMatch(/^none in .*\.docker\/config\.json, .*containers\/auth\.json$/);
    expect(by('mount')?.detail).toMatch(/^supported/);
    expect(registry.uploads.size).toBe(0);
    expect(registry.lines().filter((line) => /^(PUT|PATCH)/.test(line))).toEqual([]);
  });

  it('says which credentials and tokens there are, but no secret', async () => {
    const { findings, by, registry } = await diagnosed(
      { auth: { kind: 'token', username: 'me', password: SECRET } },
      { home: homeWith },
    );
    expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(by('api')?.detail).toContain('wants to know who asks');
    expect(by('credentials')?.detail).toMatch(/^user "me" of .*config\.json$/);
    expect(by('pull')?.detail).toMatch(
      /^1 can be read; token of 127\.0\.0\.1:\d+ for repository:me\/app:pull$/,
    );
    expect(by('push')?.detail).toContain('for repository:me/app:pull,push');
    expect(JSON.stringify(findings)).not.toContain(SECRET);
    expect(registry.uploads.size).toBe(0);
  });

  it('says what a token allows where the token itself says so', async () => {
    const access = [{ type: 'repository', name: 'me/app', actions: ['pull'] }];
    const token = `e30.${Buffer.from(JSON.stringify({ access })).toString('base64url')}.c2ln`;
    const { by } = await diagnosed(
      {
        auth: {
          kind: 'token',
          username: 'me',
          password: SECRET,
          tokenScript: () => ({ body: JSON.stringify({ token }) }),
        },
        script: ({ headers }) =>
          headers.authorization === `Bearer ${token}`
            ? {
                body: '{"schemaVersion":2,"layers":[]}',
                headers: { 'ratelimit-remaining': '3;w=21600', 'ratelimit-limit': '100;w=21600' },
              }
            : undefined,
      },
      { home: homeWith },
    );
    expect(by('pull')?.detail).toContain('granted repository:me/app:pull');
    expect(by('push')?.status).toBe('failed');
    expect(by('mount')).toMatchObject({ status: 'skipped', detail: 'needs the right to push' });
    expect(by('rate limit')).toMatchObject({ status: 'ok', detail: '3 of 100 left in 6 hours' });
  });

  it('says that somebody may pull but not push', async () => {
    const { findings, by } = await diagnosed({
      auth: { kind: 'token', username: 'me', password: SECRET, public: true },
    });
    expect(statuses(findings)).toMatchObject({ pull: 'ok', push: 'failed', mount: 'skipped' });
    expect(by('push')?.detail).toMatch(
      /not authorised to push: no credentials found in .*; asked for scope repository:me\/app:pull,push/,
    );
    expect(by('push')?.hint).toMatch(/^ocislim login 127/);
  });

  it('says that credentials are wrong', async () => {
    const { findings, by } = await diagnosed(
      { auth: { kind: 'basic', username: 'me', password: 'another' } },
      { home: homeWith },
    );
    expect(statuses(findings)).toMatchObject({
      api: 'ok',
      credentials: 'ok',
      pull: 'failed',
      push: 'failed',
    });
    expect(by('pull')?.error).toMatchObject({ code: 'OCISLIM_UNAUTHORIZED' });
    expect(JSON.stringify(findings)).not.toContain(SECRET);
  });

  it('says that an image is not there without making it a failure', async () => {
    const { by } = await diagnosed({}, { tag: 'none' });
    expect(by('pull')).toMatchObject({ status: 'warning' });
    expect(by('pull')?.detail).toContain('there is no none');
    expect(by('mount')).toMatchObject({ status: 'skipped', detail: 'needs an image there to try it with' });
  });

  it('says that there are no mounts, and takes the upload back that it got instead', async () => {
    const { by, registry } = await diagnosed({ quirks: { mount: 202 } });
    expect(by('mount')).toMatchObject({ status: 'warning' });
    expect(by('mount')?.detail).toContain('not supported (answered 202)');
    expect(registry.uploads.size).toBe(0);
  });

  it('says that what is there is no registry', async () => {
    const { by } = await diagnosed({ script: () => ({ status: 404, body: 'nothing' }) });
    expect(by('api')).toMatchObject({ status: 'failed' });
    expect(by('api')?.detail).toContain('answered 404 where a registry says 200 or 401');
  });

  it('warns of a quota that is used up', async () => {
    const { by } = await diagnosed({
      script: ({ path }) =>
        path.includes('/manifests/')
          ? { ...fault(429, 'TOOMANYREQUESTS'), headers: { 'ratelimit-remaining': '0;w=21600' } }
          : undefined,
    });
    expect(by('pull')?.error).toMatchObject({ code: 'OCISLIM_RATE_LIMITED' });
    expect(by('rate limit')).toMatchObject({ status: 'warning', detail: '0 left' });
  });

  it('ends where nothing can be reached, and says so of the rest', async () => {
    const registry = await fakeRegistry();
    await registry.down();
    const findings = await registryClient().diagnose(parseReference(`${registry.host}/me/app:1`));
    expect(findings.map(({ step }) => step)).toEqual(STEPS);
    expect(statuses(findings)).toMatchObject({
      name: 'ok',
      proxy: 'ok',
      tls: 'failed',
      api: 'skipped',
      pull: 'skipped',
    });
    expect(findings[2]?.error).toMatchObject({ exitCode: 4 });
    const unknown = await registryClient().diagnose(parseReference('no-such-host.invalid/me/app:1'));
    expect(statuses(unknown)).toMatchObject({ name: 'failed', tls: 'skipped' });
    expect(unknown[0]?.hint).toContain('check the name');
  });

  it('says who signed a certificate, and that it is not trusted', async () => {
    const fixture = (name: string) =>
      readFileSync(fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url)), 'utf8');
    const tls = { key: fixture('key.pem'), cert: fixture('cert.pem') };
    const registry = await fakeRegistry({ tls });
    putImage(registry, 'me/app', '1');
    const reference = parseReference(`${registry.host}/me/app:1`);
    const find = async (options: Parameters<typeof registryClient>[0]) => {
      const findings = await registryClient(options).diagnose(reference);
      return findings.find(({ step }) => step === 'tls');
    };
    expect(await find({})).toMatchObject({ status: 'failed', error: { code: 'OCISLIM_REGISTRY_TLS' } });
    const caFile = join(tempDir(), 'ca.pem');
    writeFileSync(caFile, tls.cert);
    const trusted = await find({ caFile });
    expect(trusted).toMatchObject({ status: 'ok' });
    expect(trusted?.detail).toMatch(/trusted \(TLSv1\.3, signed by .+, valid until .+ GMT\)$/);
    expect(await find({ insecure: [registry.host] })).toMatchObject({ status: 'warning' });
  });

  it('names mirrors and the proxy, without its password', async () => {
    const env = { HTTPS_PROXY: `http://me:${SECRET}@127.0.0.1:9` };
    const client = registryClient({ env, mirrors: { 'r.example': ['https://mirror.example/sub'] } });
    const findings = await client.diagnose(parseReference('r.example/me/app:1'));
    expect(findings.slice(0, 3)).toEqual([
      { step: 'mirrors', status: 'ok', detail: 'read from first: https://mirror.example/sub/me/app' },
      { step: 'name', status: 'skipped', detail: 'r.example: left to the proxy' },
      { step: 'proxy', status: 'ok', detail: 'http://***@127.0.0.1:9/ ($HTTPS_PROXY)' },
    ]);
    expect(findings[3]).toMatchObject({ step: 'tls', status: 'failed' });
    expect(JSON.stringify(findings)).not.toContain(SECRET);
  });

  it('ends at the registry where no repository is named', async () => {
    const registry = await fakeRegistry();
    const findings = await registryClient().diagnose(parsePlace(registry.host, 'doctor'));
    expect(statuses(findings)).toMatchObject({
      api: 'ok',
      credentials: 'ok',
      pull: 'skipped',
      push: 'skipped',
    });
    expect(registry.lines().filter((line) => line !== 'GET /v2/')).toEqual([]);
  });
});
