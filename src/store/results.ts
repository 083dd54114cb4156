import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { explainWriteError, removeOnInterrupt } from '../lib/atomic-file.ts';
import { systemCode } from '../lib/errors.ts';
import { measureTree, removeTree } from '../lib/remove-tree.ts';
import type { Locks } from './locks.ts';

/** What results need of the store they are in. */
interface ResultsHome {
  readonly root: string;
  readonly locks: Locks;
  temporaryFile(): Promise<string>;
}

/** Something that was made, in a folder, and what is to be known of it. */
export interface Result<T> {
  readonly folder: string;
  readonly note: T;
}

/** What is in `result.json`: the note, and what the files come to. */
interface Kept<T> {
  readonly note: T;
  readonly count: number;
  readonly size: number;
}

const NOTE = 'result.json';
const FILES = 'files';

/** What work has made that need not be done again, a folder for each key: its files, and a note about them. */
export class Results {
  readonly #home: ResultsHome;
  readonly #folder: string;

  constructor(home: ResultsHome, name: string) {
    this.#home = home;
    this.#folder = join(home.root, name);
  }

  /** @param key hex digits; the same key stands for the same result */
  async get<T>(key: string): Promise<Result<T> | undefined> {
    const folder = join(this.#folder, key);
    const text = await readFile(join(folder, NOTE), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      const { note, ...kept } = JSON.parse(text) as Kept<T>;
      const { count, size } = await measureTree(join(folder, FILES));
      // A machine that lost power may have lost what was written last, a clean-up may have been stopped.
      return kept.count === count && kept.size === size ? { folder: join(folder, FILES), note } : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * The result of a key, made where there is none yet; by one of several processes that ask.
   * @param make fills an empty folder, and says what is to be known of it; where it fails, nothing is kept
   */
  async ensure<T>(
    key: string,
    make: (folder: string) => Promise<T>,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Result<T>> {
    const lock = await this.#home.locks.acquire(`result-${key.slice(0, 24)}`, { signal });
    try {
      return (await this.get<T>(key)) ?? (await this.#make(key, make));
    } finally {
      await lock?.release();
    }
  }

  async #make<T>(key: string, make: (folder: string) => Promise<T>): Promise<Result<T>> {
    const temporary = await this.#home.temporaryFile();
    const kept = removeOnInterrupt(temporary);
    const path = join(this.#folder, key);
    const own = async (write: () => Promise<void>) => {
      await write().catch((error: unknown) => {
        throw explainWriteError(error, this.#home.root);
      });
    };
    try {
      await own(async () => void (await mkdir(join(temporary, FILES), { recursive: true })));
      const note = await make(join(temporary, FILES));
      await own(async () => {
        const whole: Kept<T> = { note, ...(await measureTree(join(temporary, FILES))) };
        await writeFile(join(temporary, NOTE), JSON.stringify(whole));
        await mkdir(this.#folder, { recursive: true });
        await rm(path, { recursive: true, force: true });
        await this.#place(temporary, path);
      });
      return { folder: join(path, FILES), note };
    } catch (error) {
      await removeTree(temporary).catch(() => {});
      throw error;
    } finally {
      kept.forget();
    }
  }

  /** Where there are no locks, another process may have been faster with the same. */
  async #place(temporary: string, path: string): Promise<void> {
    try {
      await rename(temporary, path);
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) throw error;
      await removeTree(temporary);
    }
  }
}
