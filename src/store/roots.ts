import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestHex, isDigest, sha256, shortDigest } from '#oci-spec-types';
import type { Layer } from '../image/model.ts';
import { explainWriteError, removeOnInterrupt, syncFolder } from '../lib/atomic-file.ts';
import { systemCode } from '../lib/errors.ts';
import { type Progress, silent } from '../lib/progress.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Unkept } from '../rootfs/attributes.ts';
import type { TocKeeper, UnpackOptions } from '../rootfs/unpack.ts';
import type { Unpacked } from '../rootfs/unpacked-root.ts';
import type { Locks } from './locks.ts';
import type { Pins } from './pins.ts';

/** Layers that are unpacked one over the other. */
export interface Root {
  /** A folder with the files of the image. It is shared: whoever writes to it does so on a copy. */
  readonly path: string;
  /** What in it is not as the image says, because this user could not make it so. */
  readonly owners: readonly Unkept[];
}

/** How the files of a root came to have their owners. */
export interface Ownership {
  /** `range`: ids of this user's range stand for the image's, see `giveToRange`. */
  readonly ids: 'root' | 'range' | 'one';
  /** What stands before a command that is to see them as they stand for the image's. */
  readonly entering: readonly string[];
}

/** What the store knows of a root without looking into it. */
interface RootNote {
  readonly diffIds: readonly Digest[];
  readonly count: number;
  readonly size: number;
  /** The machine's start in which it was written. */
  readonly boot: string | null;
  readonly owners: readonly Unkept[];
}

export interface EnsureRootOptions extends Pick<UnpackOptions, 'signal' | 'sizeLimit'> {
  readonly progress?: Progress | undefined;
  readonly ownership?: Ownership | undefined;
  /** Whether the tables of contents of the layers will be asked for: unpacking gives them as well. */
  readonly withTocs?: boolean | undefined;
}

/** Puts files into a folder that is not there yet. */
export type Fill = (
  folder: string,
  options: Pick<UnpackOptions, 'signal' | 'sizeLimit' | 'onBytes'>,
) => Promise<Unpacked>;

/** What roots need of the store they are in. */
interface RootsHome {
  readonly root: string;
  readonly locks: Locks;
  readonly pins: Pins;
  readonly tocs: TocKeeper;
  temporaryFile(): Promise<string>;
}

const FORM = 1;
const NOTE = 'owners.json';
const FILES = 'rootfs';

/**
 * Unpacked layers, a folder for each chain of them: its files in `rootfs`, what is to be known of them in `owners.json`.
 * Others of the same chain stand beside it, see {@link rootName} and {@link overName}.
 */
export class Roots {
  readonly #home: RootsHome;
  readonly #folder: string;

  constructor(home: RootsHome) {
    this.#home = home;
    this.#folder = join(home.root, 'roots');
  }

  /**
   * The root that layers make, from the base up; unpacked once, however many processes ask. The caller's process keeps
   * it from clean-ups.
   * @throws what `unpackLayers` throws; then nothing is there
   */
  async ensure(layers: readonly Layer[], options: EnsureRootOptions = {}): Promise<Root> {
    const name = rootName(layers, options.ownership);
    const fill: Fill = async (folder, more) => {
      const { unpackLayers } = await import('../rootfs/unpack.ts');
      return unpackLayers(layers, folder, { ...more, tocs: options.withTocs ? this.#home.tocs : undefined });
    };
    const bytes = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    return this.obtain(name, layers, bytes, fill, options);
  }

  /**
   * Files that depend on layers, under a name that tells what they are.
   * @param bytes how many of the layers are read for it, for progress
   * @throws what `fill` throws; then nothing is there
   */
  async obtain(
    name: string,
    layers: readonly Layer[],
    bytes: number,
    fill: Fill,
    options: EnsureRootOptions = {},
  ): Promise<Root> {
    const { signal, progress = silent } = options;
    const diffIds = layers.map(({ diffId }) => diffId);
    for (const digest of diffIds) await this.#home.pins.pin(digest);
    const known = await this.known(name);
    if (known !== undefined) return known;
    const what = `root ${shortDigest(chainIdOf(diffIds))}`;
    const onWait = () => progress.note(`${what}: another ocislim is unpacking it; waiting for that`);
    const lock = await this.#home.locks.acquire(lockOf(name), { signal, onWait });
    try {
      return (await this.known(name)) ?? (await this.#make(name, diffIds, { what, bytes, fill }, options));
    } finally {
      await lock?.release();
    }
  }

  /**
   * Takes over a folder that was made otherwise; where it cannot be moved, it stays where it is and is not kept.
   * @param size of its files, in bytes
   */
  async keep(
    name: string,
    layers: readonly Layer[],
    folder: string,
    { unkept, count, size }: Unpacked,
  ): Promise<void> {
    const diffIds = layers.map(({ diffId }) => diffId);
    for (const digest of diffIds) await this.#home.pins.pin(digest);
    const temporary = await this.#home.temporaryFile();
    const kept = removeOnInterrupt(temporary);
    const lock = await this.#home.locks.acquire(lockOf(name), {});
    try {
      await mkdir(temporary, { mode: 0o700 });
      await rename(folder, join(temporary, FILES));
      await this.#finish(temporary, name, { diffIds, count, size, boot: bootId(), owners: unkept });
    } catch (error) {
      await removeTree(temporary).catch(() => {});
      if (systemCode(error) !== 'EACCES' && systemCode(error) !== 'EPERM') throw error;
    } finally {
      await lock?.release();
      kept.forget();
    }
  }

  /** What is known of the root in a folder; undefined for one that would not be used. */
  async noteOf(name: string): Promise<RootNote | undefined> {
    const note = await readNote(join(this.#folder, name));
    // Files are not waited for to be on the disk, which takes longer than to unpack them: a machine that lost power may
    // have lost their content.
    return note?.boot === bootId() ? note : undefined;
  }

  /** Takes a root away: first from where it is found, then file by file. */
  async remove(path: string): Promise<void> {
    const aside = await this.#home.temporaryFile();
    try {
      await rename(path, aside);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    await removeTree(aside);
  }

  /** The root of a name, where it is there. What it depends on is to be pinned before. */
  async known(name: string): Promise<Root | undefined> {
    const note = await this.noteOf(name);
    return note && { path: join(this.#folder, name, FILES), owners: note.owners };
  }

  async #make(
    name: string,
    diffIds: readonly Digest[],
    { what, bytes, fill }: { readonly what: string; readonly bytes: number; readonly fill: Fill },
    { signal, sizeLimit, ownership, progress = silent }: EnsureRootOptions,
  ): Promise<Root> {
    const temporary = await this.#home.temporaryFile();
    const kept = removeOnInterrupt(temporary);
    const task = progress.task(what, bytes);
    try {
      await mkdir(temporary, { mode: 0o700 });
      const onBytes = (count: number) => task.advance(count);
      const files = join(temporary, FILES);
      const { unkept, ...sizes } = await fill(files, { signal, sizeLimit, onBytes });
      const owners = await this.#given(files, unkept, ownership);
      await this.#finish(temporary, name, { diffIds, ...sizes, boot: bootId(), owners });
      task.done('unpacked');
      return { path: join(this.#folder, name, FILES), owners };
    } catch (error) {
      task.fail();
      await removeTree(temporary).catch(() => {});
      throw explainWriteError(error, this.#home.root);
    } finally {
      kept.forget();
    }
  }

  async #given(
    files: string,
    unkept: readonly Unkept[],
    ownership: Ownership | undefined,
  ): Promise<readonly Unkept[]> {
    if (ownership?.ids !== 'range') return unkept;
    const { giveToRange } = await import('../rootfs/range-owners.ts');
    const lists = await this.#home.temporaryFile();
    try {
      await mkdir(lists, { mode: 0o700 });
      return await giveToRange(files, unkept, ownership.entering, async (name, content) => {
        const path = join(lists, name);
        await writeFile(path, content);
        return path;
      });
    } finally {
      await removeTree(lists);
    }
  }

  async #finish(temporary: string, name: string, note: RootNote): Promise<void> {
    await writeFile(join(temporary, NOTE), JSON.stringify({ form: FORM, ...note }), { mode: 0o600 });
    await mkdir(this.#folder, { recursive: true });
    await this.#place(temporary, name);
  }

  /** Where there are no locks, another process may have been faster with the same. */
  async #place(temporary: string, name: string): Promise<void> {
    const path = join(this.#folder, name);
    try {
      if ((await this.known(name)) === undefined) await this.remove(path);
      await rename(temporary, path);
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) throw error;
      await removeTree(temporary);
    }
    await syncFolder(this.#folder);
  }
}

/** Of the root that layers make. */
export function rootName(layers: readonly Layer[], ownership?: Ownership): string {
  const hex = digestHex(chainIdOf(layers.map(({ diffId }) => diffId)));
  return ownership?.ids === 'range' ? `${hex}-range` : hex;
}

/**
 * Of what the topmost of some layers changes, in the form of overlayfs. An ordinary user's is of another form than
 * root's (`userxattr`), and files with a range of ids are of no use to who has but one.
 */
export function overName(layers: readonly Layer[], { ids }: Ownership): string {
  return `${rootName(layers)}-over-${ids}`;
}

/** Names of sockets are short. */
function lockOf(name: string): string {
  return `root-${name.slice(0, 24)}${name.slice(64)}`;
}

/** The identity of layers that are applied one over the other (image-spec config.md § Layer ChainID). */
export function chainIdOf(diffIds: readonly Digest[]): Digest {
  const [first, ...rest] = diffIds;
  if (first === undefined) return sha256('');
  return rest.reduce((chain, diffId) => sha256(`${chain} ${diffId}`), first);
}

async function readNote(path: string): Promise<RootNote | undefined> {
  try {
    const note = JSON.parse(await readFile(join(path, NOTE), 'utf8')) as { form?: unknown } & RootNote;
    return note.form === FORM && note.diffIds.every(isDigest) && Array.isArray(note.owners)
      ? note
      : undefined;
  } catch {
    return undefined;
  }
}

let boot: string | null | undefined;

/** What changes whenever the machine starts; null where it does not say. */
function bootId(): string | null {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      boot = null;
    }
  }
  return boot;
}
