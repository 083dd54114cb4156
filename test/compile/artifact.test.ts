import { chmodSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findArtifact as findIn } from '../../src/compile/artifact.ts';
import type { Plan } from '../../src/compile/recipe.ts';
import { sourceFolder } from '../support/sources.ts';

const elf = '\x7fELF';

/** What is found of a plan whose output is the folder of its artifact. */
function findArtifact(plan: Pick<Plan, 'artifact' | 'kind'>): Promise<string> {
  return findIn(plan, { source: '/nowhere', output: dirname(plan.artifact), scratch: '/nowhere' });
}

function made(files: Readonly<Record<string, string>>, ...executable: readonly string[]): string {
  const folder = sourceFolder(files);
  for (const path of executable) chmodSync(join(folder, path), 0o755);
  return folder;
}

describe('what was compiled', () => {
  it('is the file that the plan names', async () => {
    const folder = made({ a: '' });
    expect(await findArtifact({ artifact: join(folder, 'a'), kind: 'program' })).toBe(join(folder, 'a'));
    const missing = findArtifact({ artifact: join(folder, 'b'), kind: 'program' });
    await expect(missing).rejects.toMatchObject({
      code: 'OCISLIM_COMPILE_FAILED',
      message: 'it compiled, but b was not made',
    });
    mkdirSync(join(folder, 'c'));
    await expect(findArtifact({ artifact: join(folder, 'c'), kind: 'program' })).rejects.toThrow('not made');
    expect(await findArtifact({ artifact: join(folder, 'c'), kind: 'folder' })).toBe(join(folder, 'c'));
  });

  it('is the one program, among scripts, objects, libraries and what CMake tries', async () => {
    const files = {
      ...{ 'bin/tool': elf, configure: '#!/bin/sh\n', 'a.o': elf, 'lib/liba.so.1.2': elf, notes: elf },
      'build/CMakeFiles/3.25.1/a.out': elf,
    };
    const folder = made(files, 'bin/tool', 'lib/liba.so.1.2', 'build/CMakeFiles/3.25.1/a.out');
    const artifact = join(folder, '**');
    expect(await findArtifact({ artifact, kind: 'program' })).toBe(join(folder, 'bin/tool'));
    await expect(findArtifact({ artifact: join(folder, '*'), kind: 'program' })).rejects.toThrow(
      'no program',
    );
  });

  it('is the one jar that is no side product', async () => {
    const names = [
      'app.jar',
      'app-sources.jar',
      'app-javadoc.jar',
      'app-tests.jar',
      'app-plain.jar',
      'original-app.jar',
    ];
    const folder = made(Object.fromEntries(names.map((name) => [name, ''])));
    const artifact = join(folder, '*.jar');
    expect(await findArtifact({ artifact, kind: 'jar' })).toBe(join(folder, 'app.jar'));
  });

  it('is nothing that a link leads to, out of the places of the plan', async () => {
    const outside = made({ secret: elf, 'target/app.jar': '' }, 'secret');
    const folder = sourceFolder({
      a: `-> ${outside}/secret`,
      target: `-> ${outside}/target`,
      'real/b': elf,
      c: '-> real/b',
    });
    const at = (artifact: string, kind: Plan['kind'] = 'program') =>
      findIn({ artifact: join(folder, artifact), kind }, { source: folder, output: folder, scratch: folder });
    await expect(at('a')).rejects.toThrow('it compiled, but a is a link that leads elsewhere');
    await expect(at('target/*.jar', 'jar')).rejects.toThrow('leads elsewhere');
    await expect(at('target', 'folder')).rejects.toThrow('leads elsewhere');
    expect(await at('c')).toBe(join(folder, 'real/b'));
  });

  it('is not guessed among several', async () => {
    const folder = made({ b: elf, 'x/a': elf }, 'b', 'x/a');
    await expect(findArtifact({ artifact: join(folder, '**'), kind: 'program' })).rejects.toMatchObject({
      message: 'it could be any of these that is meant: b, x/a',
      hint: expect.stringContaining('--artifact PATH'),
    });
  });
});
