import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { cleanPath } from '../layer/clean-path.ts';
import { decompress, detectCompression } from '../layer/compression.ts';
import { readTar } from '../layer/tar-reader.ts';
import { removeOnInterrupt, writeStreamAtomically } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { type Expected, Verifier } from '../lib/verify.ts';
import type { Context } from './context.ts';

/** Where a member's bytes are in the file. */
interface Span {
  readonly offset: number;
  readonly size: number;
}

/** More than a document of an archive, `manifest.json` or `index.json`, may have in bytes. */
const DOCUMENT_LIMIT = 64 * 1024 * 1024;

/** Links that lead to links; `docker save` writes one at most. */
const LINK_LIMIT = 8;

/** A tar file as a folder to read from in any order. One pass finds the members; content is read when asked for. */
export class Archive {
  readonly name: string;
  readonly #path: string;
  readonly #files: ReadonlyMap<string, Span>;
  readonly #links: ReadonlyMap<string, string>;

  private constructor(
    name: string,
    path: string,
    files: ReadonlyMap<string, Span>,
    links: ReadonlyMap<string, string>,
  ) {
    this.name = name;
    this.#path = path;
    this.#files = files;
    this.#links = links;
  }

  /**
   * Opens a tar file, compressed or not; a compressed one is unpacked into the store's temporary folder first.
   * @throws OCISLIM_NOT_FOUND | OCISLIM_ARCHIVE_INVALID, also for two members of one name (which readers would not
   *   agree on)
   */
  static async open(path: string, name: string, context: Context): Promise<Archive> {
    const full = resolve(context.cwd, path);
    const compression = detectCompression(await firstBytes(full, name));
    const plain = compression === 'none' ? full : await unpack(full, compression, context);
    const files = new Map<string, Span>();
    const links = new Map<string, string>();
    const { ended } = await readTar(
      createReadStream(plain, { highWaterMark: 256 * 1024 }),
      (member) => {
        if (member.type === 'directory') return;
        if (files.has(member.path) || links.has(member.path))
          throw invalid(name, `${member.path} is in it twice`);
        if (member.type === 'file') files.set(member.path, { offset: member.offset, size: member.size });
        else if (member.type === 'symlink')
          links.set(member.path, cleanPath(join('/', dirname(member.path), member.linkname ?? '')));
        else if (member.type === 'hardlink') links.set(member.path, member.linkname ?? '');
      },
      { signal: context.signal, what: name },
    );
    if (!ended) throw invalid(name, 'cut short');
    return new Archive(name, plain, files, links);
  }

  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  /** Bytes of a member. @throws OCISLIM_ARCHIVE_INVALID where there is none of that name */
  size(path: string): number {
    return this.#require(path).size;
  }

  /** @throws OCISLIM_ARCHIVE_INVALID where there is none of that name */
  read(path: string, signal?: AbortSignal): Readable {
    const { offset, size } = this.#require(path);
    if (size === 0) return Readable.from([]);
    return createReadStream(this.#path, {
      start: offset,
      end: offset + size - 1,
      highWaterMark: 256 * 1024,
      signal,
    });
  }

  /** A member's content, an error where it is not what it should be. */
  readVerified(path: string, expected: Expected, signal?: AbortSignal): Readable {
    const verifier = new Verifier(expected, `${this.name}: ${path}`);
    pipeline(this.read(path, signal), verifier, () => {
      // The verifier carries the error to whoever reads it.
    });
    return verifier;
  }

  /** A small member whole. */
  async readDocument(path: string, signal?: AbortSignal): Promise<Buffer> {
    const size = this.size(path);
    if (size > DOCUMENT_LIMIT)
      throw invalid(this.name, `${path} has ${size} bytes, more than a document may have`);
    const chunks: Buffer[] = [];
    for await (const chunk of this.read(path, signal)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  #find(path: string): Span | undefined {
    let at = cleanPath(path);
    for (let hops = 0; hops <= LINK_LIMIT; hops++) {
      const span = this.#files.get(at);
      const target = this.#links.get(at);
      if (span !== undefined || target === undefined) return span;
      at = target;
    }
    return undefined;
  }

  #require(path: string): Span {
    const span = this.#find(path);
    if (span === undefined) throw invalid(this.name, `${path} is not in it`);
    return span;
  }
}

async function firstBytes(path: string, name: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new OcislimError('OCISLIM_NOT_FOUND', `${name}: no such file`, { cause: error });
    if (code === 'EISDIR')
      throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `${name}: a folder, not a file`, {
        hint: 'a layout in a folder is written oci:DIR',
        cause: error,
      });
    throw error;
  }
}

async function unpack(
  path: string,
  compression: 'gzip' | 'zstd',
  { store, signal }: Context,
): Promise<string> {
  const plain = await store.temporaryFile();
  // It is needed as long as the artifact is, so it goes when the process does.
  removeOnInterrupt(plain);
  await writeStreamAtomically(plain, decompress(createReadStream(path), compression), {
    mode: 0o600,
    signal,
  });
  return plain;
}

export function invalid(name: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_ARCHIVE_INVALID', `${name}: ${why}`);
}
