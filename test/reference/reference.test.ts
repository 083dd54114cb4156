import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { referenceFiles } from '../../scripts/reference/files.ts';
import { manPages } from '../../scripts/reference/man.ts';
import { createProgram } from '../../src/commands/program.ts';
import { root } from '../support/cli.ts';
import { describeWithPeers } from '../support/peers.ts';

describe('what is made from the code', () => {
  it.each([...referenceFiles(root)])('%s is current (else: npm run reference)', (path, text) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(text);
  });

  it('in docs/api.md says of every function what it does', () => {
    const page = readFileSync(join(root, 'docs/api.md'), 'utf8');
    const untold = [...page.matchAll(/^### `(.*\(\))`\n\n```/gm)].map(([, name]) => name);
    expect(untold).toEqual([]);
  });

  it('in docs/api.md has the types that declarations name, but for what is of the package alone', () => {
    const page = readFileSync(join(root, 'docs/api.md'), 'utf8');
    const told = new Set([...page.matchAll(/^### `(\w+)/gm)].map(([, name]) => name));
    const code = [...page.matchAll(/^```ts\n(.*?)^```/gms)].map(([, text = '']) => text).join('');
    const plain = code.replace(/\/\*.*?\*\/|\/\/[^\n]*|'[^'\n]*'/gs, '');
    const named = new Set(
      [...plain.matchAll(/(?<![.\w])[A-Z]\w*[a-z]\w*\b(?!\??[:(])/g)].map(([name]) => name),
    );
    const own = ['DeviceNumbers', 'FileFacts', 'ParseOptions', 'Registry', 'Request', 'Store'];
    const platform = [
      'AbortSignal',
      'Buffer',
      'Error',
      'NodeJS',
      'Omit',
      'Partial',
      'Pick',
      'ProcessEnv',
      'Promise',
    ];
    const more = [
      'AsyncIterable',
      'KeyObject',
      'Readable',
      'Readonly',
      'ReadonlyMap',
      'Record',
      'Uint8Array',
    ];
    const known = new Set([...own, ...platform, ...more]);
    expect([...named].filter((name) => !told.has(name) && !known.has(name)).sort()).toEqual([]);
  });
});

describe('the manual', () => {
  const pages = manPages('1.2.3');

  it('has the pages that package.json lists', () => {
    const { man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { man: string[] };
    expect(man).toEqual([...pages.keys()].sort().map((name) => `man/${name}`));
  });

  it('names in each page the command, its arguments and all its options', () => {
    const program = createProgram(new AbortController().signal);
    for (const command of program.commands) {
      const page = pages.get(`ocislim-${command.name()}.1`) ?? '';
      for (const { long } of command.options) expect(page).toContain((long ?? '').replaceAll('-', '\\-'));
      for (const argument of command.registeredArguments)
        expect(page).toContain(`\\fI${argument.name().replaceAll('-', '\\-')}\\fR`);
    }
  });
});

describeWithPeers('the manual as groff sees it', ['groff'], () => {
  it('has no line that groff warns of', () => {
    const all = [...manPages('1.2.3').values()].join('\n');
    const args = ['-c', 'groff -K utf8 -T utf8 -man -ww -z 2>&1'];
    expect(execFileSync('sh', args, { input: all }).toString()).toBe('');
  });

  it('shows options and examples as they are typed', () => {
    const shown = execFileSync('groff', ['-K', 'utf8', '-T', 'utf8', '-man', '-P-cbou'], {
      input: manPages('1.2.3').get('ocislim-pack.1') ?? '',
    }).toString();
    expect(shown).toContain('-t, --tag <ref>');
    expect(shown).toContain('ocislim pack ./hello -t ghcr.io/me/hello:1 --push\n');
    expect(shown).toContain("'dist/hello-{os}-{arch}'");
  });
});
