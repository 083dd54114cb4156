import type { Readable } from 'node:stream';
import type { FileFacts } from './facts.ts';
import type { DeviceNumbers } from './tar-reader.ts';

/** One file, folder or link that goes into a layer. */
export interface Entry {
  /**
   * Relative to the root, with `/` between its parts and none at either end, e.g. `usr/local/bin/hello`. What is not UTF-8
   * in it is as `systemPath` takes it.
   */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo' | 'device';
  /** Permission bits, with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since the epoch. */
  readonly mtime: number;
  /** Bytes of a file's content; other types have none. */
  readonly size?: number | undefined;
  /** What a symlink points at, as written in it; for a hard link the path of an entry of the same layer. */
  readonly linkname?: string | undefined;
  /** Of a device. */
  readonly device?: DeviceNumbers | undefined;
  /** Extended attributes by name; none for a hard link, whose file has them. */
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined;
  /** Opens a file's content, which must be exactly `size` bytes. */
  readonly open?: (() => Promise<Readable>) | undefined;
  /**
   * The same content as `open` gives, preferred where it is there: in memory that is used again, so that a chunk holds only
   * until the next one is asked for.
   */
  readonly chunks?: (() => AsyncIterable<Uint8Array>) | undefined;
  /** What the checks need of a file's content, where that is known already. */
  readonly facts?: FileFacts | undefined;
}
