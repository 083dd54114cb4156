import { closeSync, openSync, writeSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from '#oci-spec-types';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { systemCode } from '../lib/errors.ts';
import { makeFolder } from '../lib/make-folder.ts';
import type { Locks, Presence } from './locks.ts';

/** The name that a clean-up is present at. */
export const CLEAN_UP = 'clean-up';

interface Run {
  readonly presence: Presence;
  readonly path: string;
  /** Descriptor of the file with its pins. */
  readonly file: number;
  readonly kept: { forget(): void };
}

/**
 * What the running processes use of the store, so that a clean-up leaves it alone: a file of digests for each, valid
 * for as long as the process lives. A process writes down what it will use and then waits for a clean-up that is under
 * way; a clean-up becomes visible and then reads what is written down. So one of the two always knows of the other.
 */
export class Pins {
  readonly #folder: string;
  readonly #locks: Locks;
  readonly #pinned = new Map<Digest, Promise<void>>();
  #run: Promise<Run | undefined> | undefined;

  constructor(folder: string, locks: Locks) {
    this.#folder = folder;
    this.#locks = locks;
  }

  /** This process will use the content, and whatever is named in it. What it sees of it after this, it keeps. */
  pin(digest: Digest): Promise<void> {
    let pinned = this.#pinned.get(digest);
    if (pinned === undefined) {
      pinned = this.#pin(digest);
      this.#pinned.set(digest, pinned);
    }
    return pinned;
  }

  /** How this process is known to the others; undefined where there are no locks. */
  async run(): Promise<string | undefined> {
    this.#run ??= this.#begin();
    return (await this.#run)?.presence.id;
  }

  /** What all processes that live have pinned; files of those that ended are removed. */
  async all(): Promise<ReadonlySet<Digest>> {
    const pinned = new Set<Digest>();
    for (const id of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, id);
      if (!(await this.#locks.isAlive(id))) {
        await rm(path, { force: true }).catch(() => {});
        continue;
      }
      const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n');
      for (const line of lines) if (isDigest(line)) pinned.add(line);
    }
    return pinned;
  }

  /** Ends what {@link pin} began; for programs that go on. */
  async release(): Promise<void> {
    const run = await this.#run;
    this.#run = undefined;
    this.#pinned.clear();
    if (run === undefined) return;
    closeSync(run.file);
    await rm(run.path, { force: true });
    run.kept.forget();
    await run.presence.release();
  }

  async #pin(digest: Digest): Promise<void> {
    this.#run ??= this.#begin();
    const run = await this.#run;
    if (run === undefined) return;
    try {
      writeSync(run.file, `${digest}\n`);
    } catch (error) {
      // A full disk must not keep anybody from reading what is there.
      if (systemCode(error) !== 'ENOSPC' && systemCode(error) !== 'EDQUOT') throw error;
    }
    await this.#locks.idle(CLEAN_UP);
  }

  async #begin(): Promise<Run | undefined> {
    const presence = await this.#locks.announce('run');
    if (presence === undefined) return undefined;
    try {
      makeFolder(this.#folder);
      const path = join(this.#folder, presence.id);
      return { presence, path, file: openSync(path, 'wx', 0o644), kept: removeOnInterrupt(path) };
    } catch {
      await presence.release();
      return undefined;
    }
  }
}
