import { describe, expect, it } from 'vitest';
import { parseReference } from '../../src/registry/reference.ts';
import { parseWarnings } from '../../src/registry/warnings.ts';
import { fakeRegistry, putImage } from '../support/fake-registry.ts';
import { httpServer } from '../support/http-server.ts';
import { registryClient } from '../support/registry-client.ts';
import { bytesOf } from '../support/streams.ts';

describe('a warning of a registry', () => {
  it('is told once', async () => {
    const registry = await fakeRegistry(({ path }) => {
      const headers = { warning: '299 - "your quota is nearly used up"' };
      return path === '/v2/me/app/manifests/1' || path === '/v2/me/app/manifests/2'
        ? { status: 404, headers }
        : undefined;
    });
    const client = registryClient();
    for (const tag of ['1', '2', '1'])
      await expect(client.resolve(parseReference(`${registry.host}/me/app:${tag}`))).rejects.toThrow();
    expect(client.warnings).toEqual([`${registry.host}: your quota is nearly used up`]);
  });

  it('is not told when it is that of somebody behind a redirect', async () => {
    const storage = await httpServer(() => ({
      body: 'layer',
      headers: { warning: '299 - "buy our disks"' },
    }));
    const registry = await fakeRegistry({ quirks: { storage: storage.url } });
    const { layer } = putImage(registry, 'me/app', '1');
    const client = registryClient();
    const { source } = await client.resolve(parseReference(`${registry.host}/me/app:1`));
    if (layer === undefined) throw new Error('no layer');
    expect((await bytesOf(await source.open(layer))).toString()).toBe('layer');
    expect(client.warnings).toEqual([]);
  });

  it.each([
    ['299 - "one", 299 - "two"', ['one', 'two']],
    ['299 - "with \\"quotes\\" and \\\\"', ['with "quotes" and \\']],
    ['110 cache "stale", 299 registry "x"', ['x']],
    [`299 - "${'x'.repeat(1000)}"`, ['x'.repeat(300)]],
    ['299 - "unclosed', []],
    ['299 - ""', []],
    ['garbage', []],
    [undefined, []],
  ])('%s says %j', (value, texts) => {
    expect(parseWarnings(value)).toEqual(texts);
  });
});
