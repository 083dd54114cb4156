import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { HttpRequest, Send } from '../../src/registry/http.ts';
import { redirecting } from '../../src/registry/redirect.ts';

/** Answers by URL: a string is where it redirects to. */
function servers(routes: Readonly<Record<string, string | number>>, status = 307) {
  const seen: HttpRequest[] = [];
  const send: Send = async (request) => {
    seen.push(request);
    const route = routes[request.url.href] ?? 200;
    const redirects = typeof route === 'string';
    return {
      status: redirects ? status : route,
      headers: redirects ? { location: route } : {},
      body: Readable.from([]),
      url: request.url,
    };
  };
  const get = (url: string, more: Partial<HttpRequest> = {}) =>
    redirecting(send)({ method: 'GET', url: new URL(url), scopes: ['s'], unverified: true, ...more });
  return { seen, get };
}

describe('redirecting', () => {
  it('follows within the origin with credentials', async () => {
    const { get, seen } = servers({ 'https://r/a': '/b' });
    expect((await get('https://r/a')).url.href).toBe('https://r/b');
    expect(seen[1]).toMatchObject({ scopes: ['s'] });
    expect(seen[1]?.anonymous).toBeUndefined();
  });

  it('goes to another origin without credentials, and never gets them back (CVE-2020-15157)', async () => {
    const { get, seen } = servers({ 'https://r/a': 'https://store/x', 'https://store/x': 'https://r/b' });
    expect((await get('https://r/a')).url.href).toBe('https://r/b');
    for (const request of seen.slice(1))
      expect(request).toMatchObject({ anonymous: true, unverified: false, scopes: undefined });
  });

  it.each(['https://r:444/x', 'https://other/x'])('takes %s for another origin', async (target) => {
    const { get, seen } = servers({ 'https://r/a': target });
    await get('https://r/a');
    expect(seen[1]?.anonymous).toBe(true);
  });

  it.each([
    ['http://r/x', 'from https:// to http://r'],
    ['file:///etc/passwd', 'to file://'],
    ['https://169.254.169.254/latest', 'link-local'],
    ['https://[', 'no URL'],
  ])('does not go to %s', async (target, why) => {
    const { get, seen } = servers({ 'https://r/a': target });
    await expect(get('https://r/a')).rejects.toMatchObject({
      code: 'OCISLIM_REGISTRY_FAILED',
      message: expect.stringContaining(why),
    });
    expect(seen.length).toBe(1);
  });

  it('gives up on a circle', async () => {
    const { get, seen } = servers({ 'https://r/a': '/a' });
    await expect(get('https://r/a')).rejects.toThrow('redirects more than 5 times');
    expect(seen.length).toBe(6);
  });

  it.each([301, 302, 303, 307, 308])('follows %d when it reads', async (status) => {
    const { get } = servers({ 'https://r/a': '/b' }, status);
    expect((await get('https://r/a')).status).toBe(200);
  });

  it('sends content again only where the status says so', async () => {
    const body = { size: 1, open: async () => Buffer.from('x') };
    const moved = servers({ 'https://r/a': '/b' }, 307);
    await moved.get('https://r/a', { method: 'PUT', body });
    expect(moved.seen[1]).toMatchObject({ method: 'PUT', body });
    const other = servers({ 'https://r/a': '/b' }, 302);
    expect((await other.get('https://r/a', { method: 'PUT', body })).status).toBe(302);
  });
});
