import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { validateArtifact } from '../../src/image/validate.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { must, root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const commands = [...readme.matchAll(/^npm ci && .*$/gm)].map(([command]) => command);

/** The files that a clone would have. */
function freshClone(): string {
  const folder = tempDir();
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  for (const path of list.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  return folder;
}

describeWithPeers('the README', ['git'], () => {
  it('has the two commands for a fresh machine', () => {
    expect(commands).toEqual(['npm ci && npx ocislim pack testdata/hello', 'npm ci && npm test']);
  });

  it('first command works on a fresh clone, and needs no network of its own', async () => {
    const clone = freshClone();
    const [command = ''] = commands;
    const env = { OCISLIM_HOME: tempDir() };
    const printed = await must('sh', ['-c', command], { cwd: clone, env });
    expect(printed.trim().split('\n').at(-1)).toMatch(/^hello:latest@sha256:[0-9a-f]{64}$/);
    const { artifact } = await openSource(parseLocation('oci:hello.oci'), await testContext({ cwd: clone }));
    expect(await validateArtifact(artifact)).toEqual([]);
    expect(artifact).toMatchObject({ config: { config: { Entrypoint: ['/usr/local/bin/hello'] } } });
    const closed = { ...env, https_proxy: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1' };
    const offline = await must('npx', ['--offline', 'ocislim', 'pack', 'testdata/hello', '-q'], {
      cwd: clone,
      env: closed,
    });
    expect(printed).toContain(offline.trim());

    // Getting started: a command of one's own, with manual pages; without the build, which is there.
    const prefix = tempDir();
    const link = { ...closed, npm_config_prefix: prefix, npm_config_audit: 'false' };
    await must('npm', ['link', '--ignore-scripts', '--offline'], { cwd: clone, env: link });
    const { version } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8')) as { version: string };
    expect(await must(join(prefix, 'bin/ocislim'), ['--version'], { env: closed })).toBe(`${version}\n`);
    expect(readFileSync(join(prefix, 'share/man/man1/ocislim-pack.1'), 'utf8')).toContain(
      '.TH "OCISLIM-PACK" 1',
    );
  });
});
