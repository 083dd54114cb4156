import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { requestOf, settingsFor } from '../../src/commands/settings.ts';
import { parseProjectConfig } from '../../src/config/project.ts';
import * as library from '../../src/index.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';

it('makes of settings the request that a project file of the same settings gives', () => {
  const project = parseProjectConfig(
    'path = "hello"\nbase = "alpine"\ntag = ["a:1"]\nplatform = ["linux/arm64"]\nwith-libs = true\nenv = { A = "1" }',
    '/project/ocislim.toml',
    '',
  );
  const env = { SOURCE_DATE_EPOCH: '86400' };
  const request = library.packRequest(
    {
      path: 'hello',
      base: 'alpine',
      tag: ['a:1'],
      platform: ['linux/arm64'],
      withLibs: true,
      env: { A: '1' },
      buildEnv: {},
      label: {},
      annotation: {},
    },
    env,
  );
  expect(request).toEqual(requestOf(settingsFor(undefined, {}, project), env));
  expect(request).toMatchObject({
    platforms: [{ os: 'linux', architecture: 'arm64' }],
    created: 86_400,
    check: 'error',
    dryRun: false,
  });
});

it('refuses what the command line refuses', () => {
  expect(() => library.packRequest({ path: 'hello', link: 'both' })).toThrow(
    expect.objectContaining({ code: 'OCISLIM_USAGE' }),
  );
  expect(() => library.buildRequest({ context: '.', platform: 'amd64/' })).toThrow(
    expect.objectContaining({ code: 'OCISLIM_PLATFORM_INVALID' }),
  );
});

it('ends a use case by its signal, with nothing written', async () => {
  const controller = new AbortController();
  const context = await testContext({
    signal: controller.signal,
    progress: library.progressEvents((event) => {
      // The first thing that is told stops it.
      if (event.type === 'note') controller.abort();
    }),
  });
  const path = join(root, 'testdata/hello');
  const request = library.packRequest({ path, base: 'static', tag: ['hello:1'], output: ['oci:hello.oci'] });
  await expect(library.pack(request, context)).rejects.toMatchObject({ name: 'AbortError' });
  expect(readdirSync(context.cwd)).toEqual([]);
  expect(await library.listImages(undefined, await testContext({ store: context.store }))).toEqual([]);
});
