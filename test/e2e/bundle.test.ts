import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { validateArtifact } from '../../src/image/validate.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { packed, root, succeeded } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { requestFor } from '../support/request.ts';
import { tempDir } from '../support/temp.ts';
import { zipOf } from '../support/zip.ts';

// What is loaded lazily is in chunks of its own, of which only the built command knows whether they work.
it('the built command packs a zip, in zstd, and reads it back from a compressed archive', async () => {
  const folder = tempDir();
  const program = readFileSync(join(root, 'testdata/hello'));
  writeFileSync(
    join(folder, 'app.zip'),
    zipOf([
      { name: 'app', content: program },
      { name: 'data/a.txt', content: 'a' },
    ]),
  );
  const options = { cwd: folder, env: { OCISLIM_HOME: tempDir() } };
  const result = await packed(
    ['pack', 'app.zip', '--compression', 'zstd', '-o', 'oci:app.oci', '-o', 'app.tar'],
    options,
  );
  const { artifact } = await openSource(parseLocation('oci:app.oci'), await testContext({ cwd: folder }));
  expect(artifact.descriptor.digest).toBe(result.digest);
  expect(await validateArtifact(artifact)).toEqual([]);
  copyFileSync(join(folder, 'app.tar'), join(folder, 'other.tar'));
  const inspected = JSON.parse(await succeeded(['inspect', '--json', 'docker-archive:other.tar'], options));
  expect(inspected).toMatchObject({
    digest: result.digest,
    platforms: [{ config: { Entrypoint: ['/app/app'] } }],
  });
});

it('the built library packs', async () => {
  const { openContext, pack } = (await import(
    join(root, 'dist/index.js')
  )) as typeof import('../../src/index.ts');
  const cwd = tempDir();
  const context = await openContext({ store: tempDir(), cwd, env: {} });
  const request = requestFor(join(root, 'testdata/hello'), { base: 'static' });
  const result = await pack(request, context);
  await context.close();
  const byCommand = await packed(['pack', join(root, 'testdata/hello')], {
    cwd,
    env: { OCISLIM_HOME: tempDir() },
  });
  expect(result.digest).toBe(byCommand.digest);
});
