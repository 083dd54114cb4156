import { closeSync } from 'node:fs';
import { type Digest, sha256 } from '#oci-spec-types';
import type { LocalFile } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { type Signalled, signalled } from '../lib/signalled.ts';
import { INFLATE_WORKER, type InflatedPiece, type InflateJob, loadInflate } from './inflate/inflate.ts';
import type { MeasuredTar } from './measured-tar.ts';
import { type WorkerPool, workerPool } from './worker-pool.ts';

/** Pieces that may be ready before they are read. */
const PIECES = 8;

/** Bytes of a file that are there before a piece is asked for: about what becomes one. */
const PORTION = 256 * 1024;

/** The digest of what was not read to its end: of nothing. */
const NOT_READ = sha256('');

/** A file that is decompressed ahead of who reads it. */
interface Ahead {
  readonly source: LocalFile;
  readonly job: Omit<InflateJob, 'memory' | 'available'>;
  /** How many bytes of it are there, as far as is known. */
  available: number;
  /** How many of them were read, and how many pieces were asked for that are not there yet. */
  read: number;
  asked: number;
  isWaiting: boolean;
  /** What was not read yet. */
  readonly pieces: InflatedPiece[];
  failure?: { readonly error: unknown };
  /** Given when one of the last two has changed. */
  changed: Signalled;
}

/**
 * Decompresses gzip files on a thread of its own, one after the other in the order in which they are opened, as far ahead
 * as there is memory: before all of one is read the next has begun.
 */
export class GunzipAhead {
  readonly #pool: WorkerPool<InflateJob, InflatedPiece>;
  readonly #spare: (ArrayBuffer | undefined)[] = Array.from({ length: PIECES });
  /** Those of which more is to be asked for. */
  readonly #files: Ahead[] = [];
  #count = 0;
  #isOver = false;

  /** @throws through the tars OCISLIM_INTERNAL where the thread fails, OCISLIM_INTERRUPTED after the end */
  constructor() {
    this.#pool = workerPool(INFLATE_WORKER, loadInflate(), 1);
  }

  /** Whether the thread does start; where it does not, nothing is to be opened. */
  comesUp(): Promise<boolean> {
    return this.#pool.comesUp();
  }

  /**
   * A chunk of the tar is good until the next is asked for.
   * @param size of the file once all of it is there, in bytes
   * @param onBytes called with the bytes of the file that were read
   * @throws through the tar OCISLIM_ARCHIVE_INVALID where the file is damaged, and what keeps it from coming
   */
  open(source: LocalFile, size: number, onBytes: (count: number) => void = () => {}): MeasuredTar {
    if (this.#isOver) throw over();
    const job = { id: this.#count++, file: source.open(), size };
    const file: Ahead = {
      source,
      job,
      available: 0,
      read: 0,
      asked: 0,
      isWaiting: false,
      pieces: [],
      changed: signalled(),
    };
    const meter = { size: 0, digest: NOT_READ };
    this.#files.push(file);
    this.#fill();
    return { tar: this.#read(file, meter, onBytes), meter };
  }

  /** Ends the thread. */
  end(): void {
    this.#isOver = true;
    this.#pool.end();
    this.#fail(over());
  }

  /** Asks for pieces, as far as there is memory, and enough of the file for a piece. */
  #fill(): void {
    const [file] = this.#files;
    if (file === undefined || file.isWaiting) return;
    const { available, job } = file;
    while (this.#spare.length > 0) {
      const wanted = Math.min(file.read + (file.asked + 1) * PORTION, job.size);
      if (available < wanted) {
        this.#await(file, wanted);
        return;
      }
      this.#ask(file, this.#spare.pop());
    }
  }

  /** Goes on once so many bytes of a file are there. */
  #await(file: Ahead, wanted: number): void {
    file.isWaiting = true;
    file.source.ready(wanted - 1).then(
      (available) => {
        if (available < wanted) {
          const why = `${available} bytes of ${file.job.size}: cut short`;
          this.#fail(new OcislimError('OCISLIM_ARCHIVE_INVALID', why));
          return;
        }
        file.available = available;
        file.isWaiting = false;
        this.#fill();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #ask(file: Ahead, memory: ArrayBuffer | undefined): void {
    file.asked++;
    const { available, job } = file;
    this.#pool.run({ ...job, available, memory }, memory === undefined ? [] : [memory]).then(
      (piece) => this.#take(file, piece),
      (error: unknown) => this.#fail(error),
    );
  }

  #take(file: Ahead, piece: InflatedPiece): void {
    file.asked--;
    file.read += piece.read;
    // What was asked for beyond the end comes empty.
    if (this.#files[0] !== file) {
      this.#giveBack(piece.memory);
      return;
    }
    file.pieces.push(piece);
    file.changed.give();
    if (isLast(piece)) {
      this.#files.shift();
      closeSync(file.job.file);
    }
    this.#fill();
  }

  #fail(error: unknown): void {
    for (const file of this.#files.splice(0)) {
      closeSync(file.job.file);
      file.failure = { error };
      file.changed.give();
    }
  }

  #giveBack(memory: ArrayBuffer): void {
    this.#spare.push(memory);
    this.#fill();
  }

  async *#read(
    file: Ahead,
    meter: { size: number; digest: Digest },
    onBytes: (count: number) => void,
  ): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = file.pieces.shift();
      if (piece !== undefined) {
        onBytes(piece.read);
        meter.size += piece.size;
        if (piece.size > 0) yield Buffer.from(piece.memory, 0, piece.size);
        this.#giveBack(piece.memory);
        if (piece.why === 'damaged') throw new OcislimError('OCISLIM_ARCHIVE_INVALID', 'damaged gzip data');
        if (piece.sha256 !== undefined) {
          meter.digest = `sha256:${piece.sha256}`;
          return;
        }
      } else if (file.failure !== undefined) throw file.failure.error;
      else {
        await file.changed.given;
        file.changed = signalled();
      }
    }
  }
}

function isLast({ why }: InflatedPiece): boolean {
  return why === 'end' || why === 'damaged';
}

function over(): OcislimError {
  return new OcislimError('OCISLIM_INTERRUPTED', 'nobody reads the layers any more');
}
