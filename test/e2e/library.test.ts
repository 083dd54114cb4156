import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { must, packed, root, run } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

/** A folder of a program that has installed the package from its tarball; dependencies are those of this repository. */
async function installed(): Promise<string> {
  const folder = tempDir();
  const printed = await must('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
  });
  const [{ filename }] = JSON.parse(printed) as [{ filename: string }];
  const place = join(folder, 'node_modules/ocislim');
  mkdirSync(place, { recursive: true });
  await must('tar', ['-xzf', join(folder, filename), '-C', place, '--strip-components=1']);
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  for (const name of readdirSync(join(root, 'examples')))
    copyFileSync(join(root, 'examples', name), join(folder, name));
  return folder;
}

describe('the package, installed', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    folder = await installed();
    env = { OCISLIM_HOME: tempDir() };
  });

  it('packs as the command line does, in the example', async () => {
    const printed = await must(process.execPath, ['pack.mjs', './hello'], { cwd: folder, env });
    const asked = ['--user', '65532', '--env', 'LANG=C.UTF-8', '-t', 'hello:1', '-o', 'oci:other.oci'];
    const result = await packed(['pack', './hello', ...asked], {
      cwd: folder,
      env: { OCISLIM_HOME: tempDir() },
    });
    expect(printed.split('\n')).toEqual([
      `${result.names[0]}@${result.digest}`,
      `linux/amd64: ${result.size} bytes`,
      '',
    ]);
  });

  it('tells in the example what is wrong, with the exit code of the command line', async () => {
    const ran = await run(process.execPath, ['pack.mjs', './nowhere'], { cwd: folder, env });
    expect(ran).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('OCISLIM_INPUT_NOT_FOUND: '),
    });
  });

  it('copies once in the example', async () => {
    const copy = () =>
      must(process.execPath, ['copy.mjs', 'oci:hello.oci', 'oci:copy.oci'], { cwd: folder, env });
    const { manifests } = JSON.parse(readFileSync(join(folder, 'hello.oci/index.json'), 'utf8')) as {
      manifests: [{ digest: string }];
    };
    expect(await copy()).toContain(`@${manifests[0].digest}\n`);
    expect(await copy()).toBe('oci:copy.oci has it\n');
  });

  it('has types for programs in TypeScript, which hold the examples, too', async () => {
    writeFileSync(
      join(folder, 'typed.ts'),
      `import { type PackResult, openContext, pack, packRequest } from 'ocislim';
const context = await openContext({ offline: true });
const result: PackResult = await pack(packRequest({ path: './hello', check: 'warn' }), context);
export const digests: readonly string[] = result.platforms.map(({ digest }) => digest);
// @ts-expect-error there is no such setting
packRequest({ path: './hello', bsae: 'alpine' });
// @ts-expect-error a path is needed
packRequest({ base: 'alpine' });
await context.close();
`,
    );
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--allowJs',
      '--checkJs',
    ];
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const files = ['typed.ts', 'pack.mjs', 'copy.mjs'];
    const ran = await run(process.execPath, [tsc, ...options, ...types, ...files], { cwd: folder });
    expect(ran).toMatchObject({ code: 0, stdout: '' });
  });

  it('brings manual pages and the schema along', () => {
    const place = join(folder, 'node_modules/ocislim');
    const { man } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as { man: string[] };
    for (const page of man) expect(readFileSync(join(place, page), 'utf8')).toMatch(/^\.TH "OCISLIM/);
    expect(readFileSync(join(place, 'schema/ocislim.schema.json'), 'utf8')).toBe(
      readFileSync(join(root, 'schema/ocislim.schema.json'), 'utf8'),
    );
  });
});
