import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { explain } from '../../src/explain/explain.ts';
import { pack } from '../../src/pack/pack.ts';
import { writeOutput } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { root } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { elfProgram } from '../support/elf.ts';
import { withSections } from '../support/elf-sections.ts';
import { file } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { requestFor } from '../support/request.ts';

const kinds = ({ savings }: Awaited<ReturnType<typeof explain>>) =>
  savings.map(({ kind, bytes }) => [kind, bytes]);

it('stripping saves what stands in sections that are for debuggers alone', async () => {
  const debug = { name: '.debug_info', content: Buffer.alloc(4321) };
  const symbols = [
    { name: '.symtab', type: 2, content: Buffer.alloc(240) },
    { name: '.strtab', type: 3, content: Buffer.alloc(60) },
  ];
  const code = { name: '.text', isLoaded: true, content: Buffer.alloc(150_000) };
  const program = withSections(elfProgram(), [code, debug, ...symbols]);
  const context = await testContext();
  const image = await imageOf({ layers: [[file('bin/app', program, { mode: 0o755 })]] });
  await keepInStore(image, ['docker.io/library/app:latest'], context);
  const found = await explain('app', {}, context);
  expect(kinds(found)).toEqual([['strip', 4321 + 240 + 60]]);
  const [made] = found.programs;
  expect(made?.language).toBe('other');
  expect(made?.parts.slice(0, 2)).toEqual([
    { name: 'code', size: 150_000, isPackage: false },
    { name: 'symbols and debug data', size: 4621, isPackage: false },
  ]);
  expect(made?.parts.reduce((sum, { size }) => sum + size, 0)).toBe(program.length);
});

async function packedOn(
  base: readonly ReturnType<typeof file>[],
  more: Parameters<typeof requestFor>[1] = {},
) {
  const context = await testContext();
  copyFileSync(join(root, 'testdata/hello'), join(context.cwd, 'hello'));
  const artifact = await imageOf({ layers: [base] });
  await writeOutput(parseLocation('oci:base'), { artifact, references: [], created: 0 }, context);
  await pack(requestFor('./hello', { base: 'oci:base', check: 'off', ...more }), context);
  return explain('hello', {}, context);
}

it('a smaller base saves what the old one is, where the check has nothing to say', async () => {
  const found = await packedOn([file('large', 'x'.repeat(5000)), file('b', '12')]);
  expect(found.savings).toEqual([
    {
      kind: 'base',
      bytes: 5002,
      of: 'unpacked',
      message: 'to put it on scratch, on which the check has nothing to complain of',
    },
  ]);
});

it('no base is proposed on which the program would lack its user', async () => {
  const base = [file('etc/passwd', 'me:x:1000:1000::/:/bin/sh\n'), file('large', 'x'.repeat(5000))];
  expect(kinds(await packedOn(base, { config: { user: 'me' } }))).toEqual([]);
});
