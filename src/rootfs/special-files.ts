import { execFile } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { OcislimError, systemCode } from '../lib/errors.ts';
import type { Leaf } from './inodes.ts';

export interface SpecialFile {
  /** On the disk, where nothing is yet. */
  readonly path: string | Buffer;
  readonly leaf: Leaf;
}

/** Node makes no FIFOs and no devices, coreutils does. Takes path, type, major and minor, four arguments a file. */
const SCRIPT = `status=0
while [ $# -gt 0 ]; do
  if [ "$2" = p ]; then mknod -m 600 "$1" p; else mknod -m 600 "$1" "$2" "$3" "$4"; fi || status=1
  shift 4
done
exit $status`;

/** Files for one run: what it gets as arguments stays far below what Linux allows. */
const BATCH = 200;

/**
 * Makes FIFOs and devices, readable for their owner alone.
 * @returns those that this user may not make, or that cannot be made here
 * @throws OCISLIM_DISK_FULL
 */
export async function makeSpecialFiles(files: readonly SpecialFile[]): Promise<readonly SpecialFile[]> {
  const possible = files.filter(({ path, leaf }) => typeof path === 'string' && mayMake(leaf));
  for (let at = 0; at < possible.length; at += BATCH) await makeAll(possible.slice(at, at + BATCH));
  const made = new Set(possible.filter(({ path }) => isThere(path)));
  return files.filter((file) => !made.has(file));
}

function mayMake({ type }: Leaf): boolean {
  return type === 'fifo' || process.geteuid?.() === 0;
}

function isThere(path: string | Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function makeAll(files: readonly SpecialFile[]): Promise<void> {
  const args = files.flatMap(({ path, leaf: { device } }) => [
    path.toString(),
    device === undefined ? 'p' : device.kind === 'block' ? 'b' : 'c',
    String(device?.major ?? 0),
    String(device?.minor ?? 0),
  ]);
  const env = { ...process.env, LC_ALL: 'C' };
  return new Promise((done, fail) => {
    execFile('/bin/sh', ['-c', SCRIPT, 'sh', ...args], { env }, (error, _, messages) => {
      if (/No space left|quota exceeded/.test(messages))
        fail(new OcislimError('OCISLIM_DISK_FULL', messages.split('\n')[0] ?? messages, { cause: error }));
      else if (systemCode(error) === 'EMFILE') fail(error);
      else done();
    });
  });
}
