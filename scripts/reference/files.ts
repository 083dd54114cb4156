import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProgram } from '../../src/commands/program.ts';
import { apiPage } from './api.ts';
import { configSchema, keysTable } from './schema.ts';

/** Files that are made from the code and kept beside it, by path in the repository, with what they should be. */
export function referenceFiles(root: string): ReadonlyMap<string, string> {
  const program = createProgram(new AbortController().signal);
  const configuration = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  return new Map([
    ['docs/api.md', apiPage(root)],
    ['docs/configuration.md', between(configuration, 'keys', keysTable(program))],
    ['schema/ocislim.schema.json', `${JSON.stringify(configSchema(program), undefined, 2)}\n`],
  ]);
}

/** A page with the part between two marks replaced. @throws where it has no such marks */
function between(page: string, mark: string, text: string): string {
  const [, before, after] =
    new RegExp(`^(.*<!-- ${mark}: [^\\n]*-->\\n).*(<!-- /${mark} -->.*)$`, 's').exec(page) ?? [];
  if (before === undefined) throw new Error(`no part ${mark}`);
  return `${before}${text}\n${after}`;
}
