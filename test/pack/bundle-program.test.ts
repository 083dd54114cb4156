import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pack } from '../../src/pack/pack.ts';
import type { PackRequest } from '../../src/pack/request.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { requestFor } from '../support/request.ts';
import { type ZipMember, zipOf } from '../support/zip.ts';

const program = readFileSync(join(root, 'testdata/hello'));

async function packZip(members: readonly ZipMember[], more: Partial<PackRequest> = {}) {
  const context = await testContext();
  writeFileSync(join(context.cwd, 'app.zip'), zipOf(members));
  const result = await pack(requestFor('./app.zip', more), context);
  const { artifact } = await openSource(parseLocation('oci:app.oci'), context);
  if (artifact.kind !== 'image' || artifact.layers[0] === undefined) throw new Error('no image');
  const { members: files } = await context.store.tocs.get(artifact.layers[0]);
  return {
    result,
    config: artifact.config.config,
    files: files.map(({ path, mode }) => `${path} ${mode.toString(8)}`),
  };
}

describe('pack of a zip', () => {
  it('starts the one program in it, which becomes executable', async () => {
    const { result, config, files } = await packZip([
      { name: 'bin/server', content: program },
      { name: 'static/index.html', content: '<p>' },
    ]);
    expect(result.name).toBe('app:latest');
    expect(config).toMatchObject({ Entrypoint: ['/app/bin/server'], WorkingDir: '/app' });
    expect(files).toEqual([
      'app 755',
      'app/bin 755',
      'app/bin/server 755',
      'app/static 755',
      'app/static/index.html 644',
    ]);
  });

  it('starts the program of its own name among several', async () => {
    const members = [
      { name: 'tool', content: program },
      { name: 'app', content: program },
    ];
    expect((await packZip(members)).config?.Entrypoint).toEqual(['/app/app']);
  });

  it('starts what it is told to', async () => {
    const members = [
      { name: 'a', content: program },
      { name: 'run.sh', content: '#!/bin/sh\n' },
    ];
    const { config, files } = await packZip(members, {
      config: { entrypoint: ['/srv/run.sh'] },
      check: 'off',
      dest: '/srv',
    });
    expect(config?.Entrypoint).toEqual(['/srv/run.sh']);
    expect(files).toContain('srv/run.sh 755');
  });

  it.each([
    ['no program', [{ name: 'readme', content: 'text' }], 'holds no program'],
    [
      'several programs',
      [
        { name: 'a', content: program },
        { name: 'b', content: program },
      ],
      'holds several programs: /app/a, /app/b',
    ],
  ])('asks when it has %s', async (_, members, message) => {
    await expect(packZip(members)).rejects.toThrow(message);
  });
});
