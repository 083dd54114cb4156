import { expect, it } from 'vitest';
import { hostEnvironment } from '../../src/compile/environment.ts';
import { hostCache } from '../../src/compile/places.ts';

it('a compiler gets where things are and how the network is reached, and nothing else', () => {
  const passed = {
    ...{ PATH: '/bin', HOME: '/home/me', https_proxy: 'p', NO_PROXY: 'n', GOPROXY: 'g', GOPRIVATE: 'm' },
    ...{ CARGO_HTTP_CAINFO: 'c', npm_config_registry: 'r', MAVEN_OPTS: '-Xmx1g', RUSTUP_HOME: '/r' },
  };
  const kept = {
    ...{
      AWS_SECRET_ACCESS_KEY: 'x',
      CARGO_REGISTRY_TOKEN: 'x',
      CARGO_REGISTRIES_OWN_TOKEN: 'x',
      GITHUB_TOKEN: 'x',
      GOFLAGS: '-mod=mod',
      RUSTFLAGS: 'x',
      CFLAGS: 'x',
    },
    ...{ npm_config__authToken: 'x', LANG: 'de_DE', TZ: 'x', LD_PRELOAD: 'x', CARGO_BUILD_TARGET: 'x' },
  };
  expect(hostEnvironment({ ...passed, ...kept, GOSUMDB: undefined }, 5)).toEqual({
    ...passed,
    ...{ LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC', SOURCE_DATE_EPOCH: '5', GOTOOLCHAIN: 'local' },
  });
});

it('what tools share between projects stays where they keep it', () => {
  const env = { HOME: '/home/me', CARGO_HOME: '/c', GOPATH: '/g:/h' };
  const at = (name: Parameters<typeof hostCache>[0]) => hostCache(name, env, '/project');
  expect(at('go-build')).toBe('/home/me/.cache/go-build');
  expect(at('go-mod')).toBe('/g/pkg/mod');
  expect(at('cargo')).toBe('/c');
  expect(at('maven')).toBe('/home/me/.m2/repository');
  expect(at('npm')).toBe('/home/me/.npm');
  expect(at('cargo-target')).toBe('/project/cargo-target');
});
