import { describe, expect, it } from 'vitest';
import { proxyFor } from '../../src/registry/proxy.ts';

const through = (url: string, env: NodeJS.ProcessEnv) => proxyFor(new URL(url), env)?.url.host;

describe('the proxy', () => {
  it.each<[string, string, NodeJS.ProcessEnv, string | undefined]>([
    ['of HTTPS', 'https://r.example/', { HTTPS_PROXY: 'http://p:1' }, 'p:1'],
    [
      'in lower case comes first',
      'https://r.example/',
      { https_proxy: 'http://a:1', HTTPS_PROXY: 'http://b:1' },
      'a:1',
    ],
    ['of HTTP serves for HTTPS too', 'https://r.example/', { HTTP_PROXY: 'http://p:1' }, 'p:1'],
    ['of HTTPS does not serve for HTTP', 'http://r.example/', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['may lack its scheme', 'https://r.example/', { HTTPS_PROXY: 'p.example:3128' }, 'p.example:3128'],
    ['is none where the variable is empty', 'https://r.example/', { HTTPS_PROXY: '' }, undefined],
    ['is not asked for loopback', 'https://127.0.0.1:5000/', { HTTPS_PROXY: 'http://p:1' }, undefined],
    [
      'is not asked for what NO_PROXY names',
      'https://r.example/',
      { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'x,R.example' },
      undefined,
    ],
    [
      'is not asked below what NO_PROXY names',
      'https://a.r.example/',
      { HTTPS_PROXY: 'http://p:1', no_proxy: '.r.example' },
      undefined,
    ],
    [
      'is asked where NO_PROXY names an end of the name alone',
      'https://bar.example/',
      { HTTPS_PROXY: 'http://p:1', no_proxy: 'r.example' },
      'p:1',
    ],
    [
      'is asked for another port',
      'https://r.example/',
      { HTTPS_PROXY: 'http://p:1', no_proxy: 'r.example:5000' },
      'p:1',
    ],
    [
      'is not asked for the port of the scheme',
      'https://r.example/',
      { HTTPS_PROXY: 'http://p:1', no_proxy: 'r.example:443' },
      undefined,
    ],
    [
      'is never asked with a star',
      'https://r.example/',
      { HTTPS_PROXY: 'http://p:1', no_proxy: 'x *' },
      undefined,
    ],
  ])('%s', (_, url, env, expected) => {
    expect(through(url, env)).toBe(expected);
  });

  it.each(['socks5://p:1', 'http://', '::'])('must be an HTTP URL, not %s', (value) => {
    expect(() => through('https://r.example/', { HTTPS_PROXY: value })).toThrow(
      expect.objectContaining({
        code: 'OCISLIM_CONFIG_INVALID',
        message: 'HTTPS_PROXY: not the URL of an HTTP proxy',
      }),
    );
  });
});
