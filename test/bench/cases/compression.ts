import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../model.ts';

const KINDS = ['gzip', 'gzip:1', 'zstd', 'none'] as const;
const MEGABYTES = 1000;

/** Every compression, into a layout and an archive at once. */
export const compression: Case = {
  name: 'compression',
  title: '1 GB, new → layout and archive, by compression',
  runs: 1,
  warmUps: 0,
  hasMemory: true,
  bars: KINDS.map((of) => ({ of, what: 'memory', atMost: 150e6 })),
  open: async (bench) => {
    const folder = bench.folder('compression');
    const program = join(folder, 'program');
    bench.program(program, MEGABYTES * 1e6);
    const store = join(folder, 'store');
    const out = ['-o', `oci:${join(folder, 'out')}`, '-o', join(folder, 'out.tar')];
    return KINDS.map((kind) => ({
      name: kind,
      how: `\`pack --base scratch --compression ${kind}\``,
      megabytes: MEGABYTES,
      before: () => {
        for (const made of [store, join(folder, 'out'), join(folder, 'out.tar')])
          rmSync(made, { recursive: true, force: true });
      },
      commands: () => [
        {
          argv: [
            ...[bench.node, bench.bin, 'pack', program, '--base', 'scratch', '-q'],
            ...['--compression', kind, ...out],
          ],
          env: { OCISLIM_HOME: store },
        },
      ],
    }));
  },
};
