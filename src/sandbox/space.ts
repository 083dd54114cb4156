import { statfs } from 'node:fs/promises';
import { OcislimError } from '../lib/errors.ts';

/** What a run leaves of a file system: 2 %, but no more than this is needed, in bytes. */
const RESERVE = 512 * 1024 ** 2;
const SHARE = 0.02;
/** How often it is looked how much is left, in milliseconds. */
const LOOK = 250;

/** What is left of a file system for this user. */
export interface Space {
  readonly bytes: number;
  readonly allBytes: number;
  /** Files that can still be made, and of how many; 0 and 0 where the file system does not count them. */
  readonly files: number;
  readonly allFiles: number;
}

/** What a run may not go below. Where little was free when it began, it may take half of that. */
export function reserveOf({ bytes, allBytes, files, allFiles }: Space): Pick<Space, 'bytes' | 'files'> {
  return {
    bytes: Math.floor(Math.min(RESERVE, allBytes * SHARE, bytes / 2)),
    files: Math.floor(Math.min(allFiles * SHARE, files / 2)),
  };
}

export interface SpaceWatch {
  /** @throws OCISLIM_DISK_FULL where less is left than has to be */
  look(): Promise<void>;
  stop(): void;
}

/**
 * Looks, from now on, whether a file system is about to be full. What a run writes between two looks is not bounded.
 * @param place what it is called in the error
 */
export async function watchSpace(
  folder: string,
  place: string,
  onFull: (error: unknown) => void,
): Promise<SpaceWatch> {
  const reserve = reserveOf(await spaceOf(folder));
  const look = async () => {
    const { bytes, files } = await spaceOf(folder);
    if (bytes >= reserve.bytes && files >= reserve.files) return;
    const what = bytes < reserve.bytes ? 'too little room' : 'room for too few files';
    throw new OcislimError('OCISLIM_DISK_FULL', `the command was ended: it left ${what} on ${place}`, {
      hint: 'free some space there, or choose another place with --store',
    });
  };
  let timer = setTimeout(next, LOOK);
  let isStopped = false;
  function next(): void {
    look().then(again, onFull);
  }
  function again(): void {
    if (!isStopped) timer = setTimeout(next, LOOK);
  }
  return {
    look,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

async function spaceOf(folder: string): Promise<Space> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(folder);
  return { bytes: bavail * bsize, allBytes: blocks * bsize, files: ffree, allFiles: files };
}
