import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../model.ts';
import type { Bar } from '../statistics.ts';

const SIZES = [
  { label: '80 MB', megabytes: 80, runs: 3 },
  { label: '1 GB', megabytes: 1000, runs: 1 },
  { label: '4 GB', megabytes: 4000, runs: 1 },
] as const;

const MEMORY = 150e6;
const bars = (of: string): readonly Bar[] => [
  { of: `${of}, 1 GB`, what: 'memory', atMost: MEMORY },
  { of: `${of}, 4 GB`, what: 'memory', atMost: MEMORY },
  { of: `${of}, 4 GB`, what: 'rate', against: `${of}, 80 MB`, atMost: 1.15 },
];

/** Whether time grows with size alone, and memory does not. */
export const gigabytes: Case = {
  name: 'gigabytes',
  title: '80 MB, 1 GB and 4 GB, new → pushed',
  runs: 3,
  warmUps: 0,
  hasMemory: true,
  bars: [...bars('ocislim'), ...bars('standalone')],
  open: async (bench) => {
    const alpine = await bench.alpine();
    return bench.own.flatMap(({ name, argv }) =>
      SIZES.map(({ label, megabytes, runs }) => {
        const folder = bench.folder(`gigabytes-${name}`);
        const program = join(folder, 'program');
        const tag = `${bench.host}/gigabytes/${name}-${megabytes}:1`;
        const options = ['--base', alpine, '-t', tag, '--push', '-q'];
        return {
          name: `${name}, ${label}`,
          how: '`pack`',
          megabytes,
          runs,
          before: () => bench.program(program, megabytes * 1e6),
          commands: () => [
            { argv: [...argv, 'pack', program, ...options], env: { OCISLIM_HOME: join(folder, 'store') } },
          ],
          // Gigabytes of it are not kept until the end.
          after: async () => {
            rmSync(folder, { recursive: true });
            return {};
          },
        };
      }),
    );
  },
};
