import { access, constants, mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { systemCode } from '../lib/errors.ts';
import type { Limits } from './room.ts';

/** Groups of the kernel that bound what all processes of a run use together (cgroups(7)). */
export interface ControlGroup {
  /** Files that a process writes `0` to in order to enter. */
  readonly files: readonly string[];
  remove(): Promise<void>;
}

interface Setting {
  readonly file: string;
  readonly value: string;
}

const ROOT = '/sys/fs/cgroup';

let count = 0;

/** @returns undefined where there is nothing to limit, or this user may not make groups */
export async function makeControlGroup({ memory, processes }: Limits): Promise<ControlGroup | undefined> {
  if (memory === undefined && processes === undefined) return undefined;
  const name = `ocislim-${process.pid}-${count++}`;
  const isUnified = await exists(join(ROOT, 'cgroup.controllers'));
  const plans: readonly (readonly [string, readonly Setting[]])[] = isUnified
    ? [[ROOT, [setting('memory.max', memory), setting('pids.max', processes)].flat()]]
    : [
        [join(ROOT, 'memory'), setting('memory.limit_in_bytes', memory)],
        [join(ROOT, 'pids'), setting('pids.max', processes)],
      ];
  const made: string[] = [];
  const remove = async () => {
    for (const folder of made) await removeGroup(folder);
  };
  try {
    for (const [parent, settings] of plans) {
      if (settings.length === 0) continue;
      const folder = join(parent, name);
      await mkdir(folder);
      made.push(folder);
      for (const { file, value } of settings) await writeFile(join(folder, file), value);
    }
  } catch {
    await remove();
    return undefined;
  }
  return { files: made.map((folder) => join(folder, 'cgroup.procs')), remove };
}

/** The kernel takes a moment to let go of the last processes. */
async function removeGroup(folder: string): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    const isBusy = await rmdir(folder).then(
      () => false,
      (error: unknown) => systemCode(error) === 'EBUSY',
    );
    if (!isBusy) return;
    await setTimeout(25);
  }
}

function setting(file: string, value: number | undefined): readonly Setting[] {
  return value === undefined ? [] : [{ file, value: `${value}` }];
}

function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
