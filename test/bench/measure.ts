import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/cli.ts';
import type { Case, Command, Contender } from './model.ts';
import { spread } from './statistics.ts';

export interface Measured {
  readonly contender: Contender;
  /** Milliseconds of each run. */
  readonly times: readonly number[];
  readonly figures: Readonly<Record<string, number>>;
  /** Why it could not do it. */
  readonly failure?: string;
}

interface Tally {
  readonly times: number[];
  memory: number;
  failure?: string;
}

/** Waits until nothing is waiting to be written to the disk. */
const settleDisk = () => {
  execFileSync('sync');
};

/**
 * Runs the contenders of a case in turns. Each run begins with the next of them, and with nothing waiting to be
 * written to the disk, so that none pays for another's writes. Who fails once is left out from then on.
 * @param folder where files of the measurement may be
 * @param settle what happens right before each run
 */
export async function inTurns(
  { runs: ofCase, warmUps, hasMemory }: Pick<Case, 'runs' | 'warmUps' | 'hasMemory'>,
  contenders: readonly Contender[],
  folder: string,
  settle: () => void = settleDisk,
): Promise<readonly Measured[]> {
  const tallies = new Map<Contender, Tally>(
    contenders.map((contender) => [contender, { times: [], memory: 0 }]),
  );
  for (let run = -warmUps; run < ofCase; run++) {
    const first = Math.max(run, 0) % contenders.length;
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      const tally = tallies.get(contender);
      if (tally === undefined || tally.failure !== undefined || run >= (contender.runs ?? ofCase)) continue;
      try {
        await contender.before?.(run);
        settle();
        const { time, memory } = await runAll(contender.commands(run), hasMemory ? folder : undefined);
        if (run < 0) continue;
        tally.times.push(time);
        tally.memory = Math.max(tally.memory, memory);
      } catch (error) {
        tally.failure = error instanceof Error ? error.message : String(error);
      }
    }
  }
  const measured: Measured[] = [];
  for (const [contender, { times, memory, failure }] of tallies) {
    if (failure !== undefined) {
      measured.push({ contender, times, figures: {}, failure });
      continue;
    }
    const time = spread(times).median;
    const figures = {
      time,
      ...(hasMemory ? { memory } : {}),
      ...(contender.megabytes === undefined ? {} : { rate: time / contender.megabytes }),
      ...(await contender.after?.()),
    };
    measured.push({ contender, times, figures });
  }
  return measured;
}

/** Milliseconds that commands take one after the other, and the most memory in bytes that any of them held. */
async function runAll(
  commands: readonly Command[],
  memoryFolder: string | undefined,
): Promise<{ readonly time: number; readonly memory: number }> {
  let memory = 0;
  let time = 0;
  for (const { argv, cwd, env } of commands) {
    const file = memoryFolder === undefined ? undefined : join(memoryFolder, 'memory');
    // The kernel counts what a process held before exec, too: GNU time, which is small, starts the command.
    const [command = '', ...args] = file === undefined ? argv : ['time', '-f', '%M', '-o', file, ...argv];
    const started = performance.now();
    await must(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
    });
    time += performance.now() - started;
    if (file !== undefined) memory = Math.max(memory, Number(readFileSync(file, 'utf8').trim()) * 1024);
  }
  return { time, memory };
}
