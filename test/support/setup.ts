import { afterAll, afterEach, expect, vi } from 'vitest';
import { watchCredentials } from './credential-watch.ts';
import { removeTempDirs } from './temp.ts';

// No test may read this machine's own configuration or credentials, or write to its store.
for (const name of Object.keys(process.env)) {
  if (/^(https?|all|no)_proxy$/i.test(name)) delete process.env[name];
}
for (const name of [
  'DOCKER_AUTH_CONFIG',
  'DOCKER_CONFIG',
  'REGISTRY_AUTH_FILE',
  'CONTAINERS_REGISTRIES_CONF',
  'OCISLIM_HOME',
  'SOURCE_DATE_EPOCH',
  'NO_COLOR',
  'CI',
]) {
  delete process.env[name];
}

// Whatever a test is about: no credentials go where they do not belong.
afterEach(() => {
  expect(watchCredentials.take()).toEqual([]);
});

afterAll(() => {
  vi.unstubAllEnvs();
  removeTempDirs();
});
