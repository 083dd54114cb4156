import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../support/cli.ts';
import type { Case } from '../model.ts';

/** Enough files for a distribution, beside the libraries of the program. */
const BASE_FILES = 5000;
const PROGRAM = '/bin/ls';

/**
 * What the check adds to a pack on a base that was packed on before: a dynamic program of this machine, on a base with
 * its libraries. Both read the headers of the program, which tell its platform.
 */
export const check: Case = {
  name: 'check',
  title: 'dynamic program, unchanged → layout, with and without the check',
  runs: 15,
  warmUps: 1,
  bars: [{ of: '--check error', what: 'time', against: '--check off', by: 'difference', atMost: 30 }],
  open: async (bench) => {
    const folder = bench.folder('check');
    const many = join(folder, 'many');
    mkdirSync(many);
    for (let at = 0; at < BASE_FILES; at++) writeFileSync(join(many, `${at}`), `${at}`, { mode: 0o755 });
    const env = { OCISLIM_HOME: join(folder, 'store') };
    const base = `oci:${join(folder, 'base')}`;
    const contents = ['--base', 'scratch', '--with-libs', '--add', `${many}:/usr/share/many`];
    await must(bench.node, [bench.bin, 'pack', PROGRAM, ...contents, '-o', base, '-q'], { env });
    return (['error', 'off'] as const).map((level) => ({
      name: `--check ${level}`,
      how: '`pack` on a base with its libraries',
      commands: () => [
        {
          argv: [
            ...[bench.node, bench.bin, 'pack', PROGRAM, '--base', base, '-q'],
            ...['-o', `oci:${join(folder, 'warm')}`, '--check', level],
          ],
          env,
        },
      ],
    }));
  },
};
