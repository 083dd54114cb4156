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
import type { UnpackOptions } from '../rootfs/unpack.ts';
import type { Locks } from './locks.ts';
import type { Pins } from './pins.ts';

/** Layers that are unpacked one over the other. */
export interface Root {
  /** A folder with the files of the image. It is shared: whoever writes to it does so on a copy. */
  readonly path: string;
  /** What in it is not as the image says, because this user could not make it so. */
  readonly owners: readonly Unkept[];
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
}

/** What roots need of the store they are in. */
interface RootsHome {
  readonly root: string;
  readonly locks: Locks;
  readonly pins: Pins;
  temporaryFile(): Promise<string>;
}

const FORM = 1;
const NOTE = 'owners.json';
const FILES = 'rootfs';

/** Unpacked layers, a folder for each chain of them: its files in `rootfs`, what is to be known of them in `owners.json`. */
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
    const { signal, progress = silent } = options;
    const diffIds = layers.map(({ diffId }) => diffId);
    const chainId = chainIdOf(diffIds);
    for (const digest of diffIds) await this.#home.pins.pin(digest);
    const hex = digestHex(chainId);
    const known = await this.#usable(hex);
    if (known !== undefined) return known;
    const what = `root ${shortDigest(chainId)}`;
    const onWait = () => progress.note(`${what}: another ocislim is unpacking it; waiting for that`);
    const lock = await this.#home.locks.acquire(`root-${hex.slice(0, 24)}`, { signal, onWait });
    try {
      return (await this.#usable(hex)) ?? (await this.#unpack(layers, hex, what, options));
    } finally {
      await lock?.release();
    }
  }

  /** What is known of the root in a folder; undefined for one that would not be used. */
  async noteOf(hex: string): Promise<RootNote | undefined> {
    const note = await readNote(join(this.#folder, hex));
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

  async #usable(hex: string): Promise<Root | undefined> {
    const note = await this.noteOf(hex);
    return note && { path: join(this.#folder, hex, FILES), owners: note.owners };
  }

  async #unpack(
    layers: readonly Layer[],
    hex: string,
    what: string,
    { signal, sizeLimit, progress = silent }: EnsureRootOptions,
  ): Promise<Root> {
    const { unpackLayers } = await import('../rootfs/unpack.ts');
    const temporary = await this.#home.temporaryFile();
    const kept = removeOnInterrupt(temporary);
    const total = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    const task = progress.task(what, total);
    try {
      await mkdir(temporary, { mode: 0o700 });
      const onBytes = (count: number) => task.advance(count);
      const files = join(temporary, FILES);
      const { unkept, ...sizes } = await unpackLayers(layers, files, { signal, sizeLimit, onBytes });
      const diffIds = layers.map(({ diffId }) => diffId);
      const note: RootNote = { diffIds, ...sizes, boot: bootId(), owners: unkept };
      await writeFile(join(temporary, NOTE), JSON.stringify({ form: FORM, ...note }), { mode: 0o600 });
      await mkdir(this.#folder, { recursive: true });
      await this.#place(temporary, hex);
      task.done('unpacked');
      return { path: join(this.#folder, hex, FILES), owners: unkept };
    } catch (error) {
      task.fail();
      await removeTree(temporary).catch(() => {});
      throw explainWriteError(error, this.#home.root);
    } finally {
      kept.forget();
    }
  }

  /** Where there are no locks, another process may have been faster with the same. */
  async #place(temporary: string, hex: string): Promise<void> {
    const path = join(this.#folder, hex);
    try {
      if ((await this.#usable(hex)) === undefined) await this.remove(path);
      await rename(temporary, path);
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) throw error;
      await removeTree(temporary);
    }
    await syncFolder(this.#folder);
  }
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
