import { randomBytes } from 'node:crypto';
import { openSync, readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { systemCode } from '../lib/errors.ts';
import { makeFolder } from '../lib/make-folder.ts';

/** Something that other processes see for as long as it is not released and this process lives. */
export interface Presence {
  /** The name it was announced under, with an end of its own. */
  readonly id: string;
  release(): Promise<void>;
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else has to be waited for. */
  readonly onWait?: (() => void) | undefined;
}

/** The longest path of a socket that every system takes, in bytes. */
const LONGEST_PATH = 100;

/**
 * Locks among processes that share a folder. Whoever is at a name listens on a Unix socket in that folder: while it
 * lives a connection to it stays open, and the kernel ends the connection when the process ends, however it ends. So
 * there is nothing to refresh, to time out or to poll. A socket that refuses belongs to nobody any more; since no two
 * sockets ever have the same name, whoever finds one may remove it.
 *
 * Where there are no such sockets (Windows, some network file systems, a folder that cannot be written) there are no
 * locks: `announce` gives nothing, and `acquire` lets everybody through.
 */
export class Locks {
  readonly #folder: string;
  #descriptor: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Becomes visible at `name`, alone or not; undefined where there are no locks. */
  async announce(name: string): Promise<Presence | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#appear(name);
      } catch (error) {
        // A sweep that came between the two steps took it for dead.
        if (systemCode(error) !== 'ENOENT' || attempt === 3) return undefined;
      }
    }
  }

  async #appear(name: string): Promise<Presence> {
    const id = `${name}.${randomBytes(8).toString('hex')}`;
    const visitors = new Set<Socket>();
    const server = createServer((visitor) => {
      visitors.add(visitor);
      visitor.once('close', () => visitors.delete(visitor)).on('error', () => {});
      visitor.unref().resume();
    }).unref();
    const path = join(this.#folder, id);
    try {
      makeFolder(this.#folder);
      // Visible only once it listens, for what refuses is taken for dead.
      await listen(server, this.#address(`.${id}`));
      renameSync(join(this.#folder, `.${id}`), path);
    } catch (error) {
      server.close();
      throw error;
    }
    const kept = removeOnInterrupt(path);
    return {
      id,
      release: async () => {
        kept.forget();
        // First gone, then silent: who waited must not find it again.
        await rm(path, { force: true }).catch(() => {});
        server.close();
        for (const visitor of visitors) visitor.destroy();
      },
    };
  }

  /**
   * Waits until it is the only one at `name`. Everybody announces itself first and looks round then, so of two
   * at least one sees the other; the one whose id is lower stays, the other steps back until that one is gone.
   * Undefined where there are no locks.
   */
  async acquire(name: string, options: WaitOptions = {}): Promise<Presence | undefined> {
    let waited = false;
    const onWait = () => {
      if (!waited) options.onWait?.();
      waited = true;
    };
    for (;;) {
      const mine = await this.announce(name);
      if (mine === undefined) return undefined;
      try {
        if (await this.#prevail(name, mine, { ...options, onWait })) return mine;
      } catch (error) {
        await mine.release();
        throw error;
      }
    }
  }

  /** Waits until nobody is at `name` who is there now. */
  async idle(name: string, { signal, onWait }: WaitOptions = {}): Promise<void> {
    const others = await this.#others(name);
    if (others.length > 0) onWait?.();
    await goneAll(others, signal);
  }

  /** Whether somebody is at `name` now. */
  async isTaken(name: string): Promise<boolean> {
    const others = await this.#others(name);
    for (const other of others) other.leave();
    return others.length > 0;
  }

  /** Whether the process that announced this id is there still. */
  async isAlive(id: string): Promise<boolean> {
    const other = await this.#visit(id);
    other?.leave();
    return other !== undefined;
  }

  /** Removes what dead processes have left. */
  async sweep(): Promise<void> {
    for (const other of await this.#others('')) other.leave();
  }

  /** False when it stepped back, and the way may be free now. */
  async #prevail(name: string, mine: Presence, { signal, onWait }: WaitOptions): Promise<boolean> {
    for (;;) {
      const others = await this.#others(name, mine.id);
      if (others.length === 0) return true;
      onWait?.();
      const first = others.filter(({ id }) => id < mine.id);
      if (first.length > 0) {
        await mine.release();
        await goneAll(others, signal);
        return false;
      }
      await goneAll(others, signal);
    }
  }

  async #others(name: string, except?: string): Promise<readonly Other[]> {
    const others = this.#ids().filter((id) => (name === '' || id.startsWith(`${name}.`)) && id !== except);
    const visited = await Promise.all(others.map((id) => this.#visit(id)));
    return visited.filter((other) => other !== undefined);
  }

  #ids(): readonly string[] {
    try {
      return readdirSync(this.#folder);
    } catch {
      return [];
    }
  }

  /** Connects to whoever has this id; what turns out to be dead is removed. */
  #visit(id: string): Promise<Other | undefined> {
    return new Promise((resolve) => {
      const socket = connect(this.#address(id));
      const leave = () => void socket.destroy();
      const gone = new Promise<void>((end) => socket.once('close', () => end()));
      socket.once('connect', () => resolve({ id, gone, leave }));
      socket.on('error', (error) => {
        if (!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(systemCode(error) ?? '')) {
          // It has more visitors than it has answered, or belongs to another user: alive.
          resolve({ id, gone: delay(200), leave });
          return;
        }
        void rm(join(this.#folder, id), { force: true, recursive: true })
          .catch(() => {})
          .then(() => resolve(undefined));
      });
      socket.resume();
    });
  }

  /** Addresses of sockets are short; a longer path is reached through an open descriptor of its folder. */
  #address(id: string): string {
    const path = join(this.#folder, id);
    if (Buffer.byteLength(path) <= LONGEST_PATH) return path;
    this.#descriptor ??= openSync(this.#folder, 'r');
    return `/proc/self/fd/${this.#descriptor}/${id}`;
  }
}

interface Other {
  readonly id: string;
  readonly gone: Promise<void>;
  leave(): void;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, readableAll: true, writableAll: true }, resolve);
  });
}

async function goneAll(others: readonly Other[], signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([Promise.all(others.map(({ gone }) => gone)), stopped]);
  } finally {
    signal?.removeEventListener('abort', stop);
    for (const other of others) other.leave();
  }
}
