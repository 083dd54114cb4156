import { randomBytes } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import {
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  digestAlgorithm,
  digestHex,
  documentMediaType,
  isDigest,
  shortDigest,
} from '#oci-spec-types';
import type { BlobSource } from '../image/load.ts';
import type { Blob, LocalFile, OpenOptions } from '../image/model.ts';
import { explainWriteError, type WriteOptions, writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { linkFile } from '../lib/link-file.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { type Progress, type ProgressTask, silent } from '../lib/progress.ts';
import { Check, type Expected, isMismatch, Verifier } from '../lib/verify.ts';
import { Beside } from './beside.ts';
import { checkBlob } from './check-blob.ts';
import type { GrowingFile } from './growing-file.ts';
import { download, type IngestOptions, ingest } from './ingest.ts';
import { Locks } from './locks.ts';
import { Names } from './names.ts';
import { Notes } from './notes.ts';
import { Origins } from './origins.ts';
import { Pins } from './pins.ts';
import { Results } from './results.ts';
import { Roots } from './roots.ts';
import { Tocs } from './tocs.ts';
import { transientChunks } from './transient-chunks.ts';

/** The layout of the folder that this version reads and writes. */
const FORMAT_VERSION = 1;
/** Bytes up to which a blob is read as soon as opened: it takes less than going to another thread and back for its pieces. */
const SMALL = 1024 * 1024;

export interface EnsureOptions extends OpenOptions {
  readonly progress?: Progress | undefined;
  /** Gets the file of a blob that is fetched while it comes; another if it came wrong and is fetched again. */
  readonly onGrowing?: ((file: GrowingFile) => void) | undefined;
}

export type PutOptions = Omit<IngestOptions, 'temporary' | 'place'>;

/**
 * The local content-addressed store, shared by all runs and processes of a user.
 *
 *     version            the format, a number
 *     blobs/sha256/HEX   content, as in an OCI image layout; complete and read-only, or absent
 *     names/             images the user knows by name; one file a name
 *     resolved/          what references of registries meant when last asked, for --offline
 *     tocs/HEX           a layer's table of contents, by diffID
 *     findings/HEX       what a layer's files tell of the software in it, by diffID
 *     compiled/KEY/      what sources were compiled to, see results.ts
 *     steps/HEX          what steps of a build came to, by their key
 *     compressed/HEX     layers of steps as images have them, by diffID and compression
 *     packed/HEX         the last layer that was made of files of these names and sizes, see pack/packed.ts
 *     beside/HEX         documents about a manifest, by its digest
 *     caches/            what toolchains keep from one run to the next, a folder for each project and platform
 *     checked/HEX        what the file of a large blob looked like when its content was found right, see check-blob.ts
 *     roots/HEX…/        layers unpacked into `rootfs`, by chain ID, with `owners.json`, see roots.ts
 *     origins/HEX        repositories known to hold a blob, so that it can be mounted
 *     partial/HEX        downloads that broke off, to go on with
 *     damaged/HEX        content that turned out not to be what its name says
 *     code/VERSION/      what V8 compiled of this program, see lib/compile-cache.ts
 *     locks/, pins/      what the processes that live are doing, see locks.ts and pins.ts
 *     tmp/               unfinished writes, and folders that are being filled or removed
 */
export class Store implements BlobSource {
  readonly name = 'store';
  readonly root: string;
  readonly names: Names;
  readonly resolved: Names;
  readonly locks: Locks;
  readonly pins: Pins;
  readonly tocs: Tocs;
  readonly roots: Roots;
  readonly compiled: Results;
  readonly findings: Notes;
  readonly steps: Notes;
  readonly compressed: Notes;
  readonly packed: Notes;
  readonly beside: Beside;
  readonly #origins: Origins;
  readonly #running = new Map<Digest, Promise<void>>();
  readonly #checked: Notes;
  /** Content that this process has written, or read and found right. */
  readonly #intact = new Set<Digest>();

  private constructor(root: string) {
    this.root = root;
    const write = (path: string, bytes: string | Uint8Array) => this.#writeSmall(path, bytes);
    // What a failing power damages is no note, and is found out again.
    const note = (path: string, bytes: string | Uint8Array) =>
      this.#writeSmall(path, bytes, { durable: false });
    this.names = new Names(join(root, 'names'), write);
    this.resolved = new Names(join(root, 'resolved'), write);
    this.locks = new Locks(join(root, 'locks'));
    this.pins = new Pins(join(root, 'pins'), this.locks);
    this.tocs = new Tocs(new Notes(join(root, 'tocs'), note));
    this.roots = new Roots(this);
    this.compiled = new Results(this, 'compiled');
    this.findings = new Notes(join(root, 'findings'), note);
    this.steps = new Notes(join(root, 'steps'), note);
    this.compressed = new Notes(join(root, 'compressed'), note);
    this.packed = new Notes(join(root, 'packed'), note);
    this.#checked = new Notes(join(root, 'checked'), note);
    this.beside = new Beside(new Notes(join(root, 'beside'), write), this.locks);
    this.#origins = new Origins(new Notes(join(root, 'origins'), note));
  }

  /**
   * Opens the store at `root`, making it where it is missing.
   * @throws OCISLIM_NOT_WRITABLE, or OCISLIM_CONFIG_INVALID where a newer ocislim wrote it.
   */
  static async open(root: string): Promise<Store> {
    const version = join(root, 'version');
    const written = await readFile(version, 'utf8').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw explainWriteError(error, root);
    });
    if (written === undefined) await writeBytesAtomically(version, `${FORMAT_VERSION}\n`);
    else if (Number.parseInt(written, 10) > FORMAT_VERSION) {
      throw new OcislimError(
        'OCISLIM_CONFIG_INVALID',
        `store ${root}: written by a newer ocislim (format ${written.trim()}, this one knows ${FORMAT_VERSION})`,
        { hint: 'update ocislim, or use another store with --store' },
      );
    }
    return new Store(root);
  }

  /** The layers that steps of builds came to, as they are and as images have them. */
  async stepLayers(): Promise<ReadonlySet<Digest>> {
    const notes = [...(await this.steps.all()), ...(await this.compressed.all())];
    const digests = notes.map((note) => {
      const { diffId, digest } = JSON.parse(note.toString()) as { diffId?: unknown; digest?: unknown };
      return diffId ?? digest;
    });
    return new Set(digests.filter(isDigest));
  }

  /** Whether this user may add to it. */
  async isWritable(): Promise<boolean> {
    return access(this.root, constants.W_OK).then(
      () => true,
      () => false,
    );
  }

  /** Lets others clean up what this process has used; for programs that go on. */
  async close(): Promise<void> {
    await this.pins.release();
  }

  #blobPath(digest: Digest): string {
    return join(this.root, 'blobs', digestAlgorithm(digest), digestHex(digest));
  }

  /** The path of a file or folder for unfinished work, not made yet; a clean-up removes it once this process has ended. */
  async temporaryFile(): Promise<string> {
    const folder = join(this.root, 'tmp');
    try {
      makeFolder(folder);
    } catch (error) {
      throw explainWriteError(error, this.root);
    }
    const run = await this.pins.run();
    return join(folder, `${run ?? 'run.unknown'}.${randomBytes(8).toString('hex')}`);
  }

  async #writeSmall(
    path: string,
    bytes: string | Uint8Array,
    options: Pick<WriteOptions, 'mode' | 'durable'> = {},
  ): Promise<void> {
    await writeBytesAtomically(path, bytes, { ...options, temporary: await this.temporaryFile() });
  }

  has(digest: Digest): boolean {
    return existsSync(this.#blobPath(digest));
  }

  /**
   * Describes a manifest or index of which no more than the digest is known; undefined where it is not there.
   * @throws OCISLIM_DOCUMENT_INVALID for other content
   */
  async describe(digest: Digest): Promise<Descriptor | undefined> {
    const path = this.#blobPath(digest);
    const size = await stat(path).then(
      (found) => found.size,
      () => undefined,
    );
    if (size === undefined || size > DOCUMENT_LIMIT) return undefined;
    return { mediaType: documentMediaType(await readFile(path), `store: ${digest}`), digest, size };
  }

  async open(descriptor: Descriptor, options: OpenOptions = {}): Promise<Readable> {
    const { digest } = descriptor;
    const hint = 'it was set aside: pull or pack the image again';
    const onMismatch = () => this.#setAside(digest);
    const what = `store: ${digest} is damaged`;
    const size = this.#sizeOf(digest);
    if (size > SMALL && options.transient === true) {
      const check = new Check(descriptor, what, { hint, onMismatch });
      const file = await this.file(descriptor);
      return Readable.from(transientChunks(file, check, options.signal), { highWaterMark: 1 });
    }
    const verifier = new Verifier(descriptor, what, { hint, onMismatch });
    if (size <= SMALL) {
      verifier.end(readFileSync(this.#blobPath(digest)));
      return verifier;
    }
    const stream = await this.openAt(descriptor, 0, options);
    pipeline(stream, verifier, () => {
      // The verifier carries the error to whoever reads it.
    });
    return verifier;
  }

  /** Bytes of a blob's file. @throws OCISLIM_NOT_FOUND */
  #sizeOf(digest: Digest): number {
    const found = statSync(this.#blobPath(digest), { throwIfNoEntry: false });
    if (found !== undefined) return found.size;
    throw new OcislimError('OCISLIM_NOT_FOUND', `store: ${digest} is not there`, {
      hint: 'pull or pack the image again',
    });
  }

  openAt(descriptor: Descriptor, offset: number, options: OpenOptions = {}): Promise<Readable> {
    return this.openRange(descriptor, offset, Number.POSITIVE_INFINITY, options);
  }

  /** Some bytes of a blob, not verified. */
  async openRange(
    { digest }: Descriptor,
    offset: number,
    size: number,
    { signal }: OpenOptions = {},
  ): Promise<Readable> {
    this.#sizeOf(digest);
    const end = offset + size - 1;
    return createReadStream(this.#blobPath(digest), {
      start: offset,
      end,
      highWaterMark: 256 * 1024,
      signal,
    });
  }

  /** The file of a blob that is there. */
  async file({ digest, size }: Descriptor): Promise<LocalFile> {
    return { open: () => openSync(this.#blobPath(digest), 'r'), ready: async () => size };
  }

  async link(descriptor: Descriptor, path: string): Promise<boolean> {
    return (await this.isIntact(descriptor)) && linkFile(this.#blobPath(descriptor.digest), path);
  }

  /** Takes in a stream; nothing is visible until all of it is there and, where `expected` is given, is right. */
  async put(stream: Readable, options: PutOptions = {}): Promise<Expected> {
    const temporary = await this.temporaryFile();
    return ingest(stream, { temporary, place: (digest) => this.#place(digest), ...options });
  }

  /** Where finished content goes. */
  async #place(digest: Digest): Promise<string> {
    await this.pins.pin(digest);
    this.#intact.add(digest);
    return this.#blobPath(digest);
  }

  /** Takes in a small document. */
  async putBytes(bytes: Uint8Array, digest: Digest): Promise<void> {
    const path = await this.#place(digest);
    const there = existsSync(path) ? readFileSync(path) : undefined;
    if (there === undefined || !there.equals(bytes)) await this.#writeSmall(path, bytes, { mode: 0o444 });
  }

  /**
   * A blob's local copy: what the store has is checked, once in a run at most, what it lacks or has damaged is fetched. One
   * download per digest, however many processes ask.
   */
  async ensure<B extends Blob>(blob: B, options: EnsureOptions = {}): Promise<B> {
    const { descriptor, bytes } = blob;
    const { digest } = descriptor;
    if (bytes === undefined) {
      let running = this.#running.get(digest);
      if (running === undefined) {
        running = this.#obtain(blob, options).finally(() => this.#running.delete(digest));
        this.#running.set(digest, running);
      }
      await running;
    } else await this.putBytes(bytes, digest);
    return {
      ...blob,
      origins: blob.origins ?? (await this.#origins.get(digest)),
      open: (open?: OpenOptions) => this.open(descriptor, open),
      openAt: (offset: number, open?: OpenOptions) => this.openAt(descriptor, offset, open),
      link: (path: string) => this.link(descriptor, path),
      file: () => this.file(descriptor),
    };
  }

  async #obtain(blob: Blob, options: EnsureOptions): Promise<void> {
    const { signal, progress = silent } = options;
    const { descriptor } = blob;
    await this.pins.pin(descriptor.digest);
    if (await this.isIntact(descriptor, progress)) return;
    const what = shortDigest(descriptor.digest);
    const onWait = () => progress.note(`${what}: another ocislim is fetching it; waiting for that`);
    const name = lockOf(digestHex(descriptor.digest));
    const lock = await this.locks.acquire(name, { signal, onWait });
    try {
      if (await this.isIntact(descriptor, progress)) return;
      const task = progress.task(what, descriptor.size);
      try {
        await this.#fetch(blob, task, options);
        task.done('pulled');
      } catch (error) {
        task.fail();
        throw error;
      }
    } finally {
      await lock?.release();
    }
    if (blob.origins?.length) await this.#origins.set(descriptor.digest, blob.origins);
  }

  /** Whether a process is fetching the content with this digest now. */
  async isFetching(hex: string): Promise<boolean> {
    return this.locks.isTaken(lockOf(hex));
  }

  /** What comes wrong is asked for once more: it may have been the way, or what an earlier run had left. */
  async #fetch(blob: Blob, task: ProgressTask, { signal, onGrowing }: EnsureOptions): Promise<void> {
    const { descriptor, openAt } = blob;
    const partial = join(this.root, 'partial', digestHex(descriptor.digest));
    for (let attempt = existsSync(partial) ? 0 : 1; ; attempt++) {
      let taken = 0;
      const onBytes = (count: number) => {
        taken += count;
        task.advance(count);
      };
      const place = (digest: Digest) => this.#place(digest);
      try {
        const way = { signal, onBytes, onGrowing };
        if (openAt !== undefined) await download({ ...blob, openAt }, { partial, place, ...way });
        else await this.put(await blob.open({ signal }), { expected: descriptor, ...way });
        return;
      } catch (error) {
        if (attempt === 2 || !isMismatch(error)) throw error;
        task.advance(-taken);
      }
    }
  }

  /** Whether it has content, and has it right: reads it through, once in a run. What is damaged is set aside. */
  async isIntact(descriptor: Descriptor, progress: Progress = silent): Promise<boolean> {
    const { digest } = descriptor;
    if (this.#intact.has(digest)) return this.has(digest);
    const state = await checkBlob(this.#blobPath(digest), descriptor, this.#checked);
    if (state === 'intact') this.#intact.add(digest);
    if (state === 'damaged') {
      progress.warn(`${shortDigest(digest)} was damaged in the store ${this.root} and is fetched again`);
      this.#setAside(digest);
    }
    return state === 'intact';
  }

  #setAside(digest: Digest): void {
    this.#intact.delete(digest);
    const folder = join(this.root, 'damaged');
    try {
      mkdirSync(folder, { recursive: true });
      renameSync(this.#blobPath(digest), join(folder, digestHex(digest)));
    } catch {
      // A store that cannot be written keeps it; it is found damaged again then.
    }
  }
}

/** Names of sockets are short. */
function lockOf(hex: string): string {
  return `blob-${hex.slice(0, 24)}`;
}
