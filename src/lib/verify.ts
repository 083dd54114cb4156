import { createHash } from 'node:crypto';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { type Digest, digestAlgorithm, digestHex } from '../oci-spec-types/digest.ts';
import { type ErrorCode, OcislimError } from './errors.ts';

/** What a stream must turn out to be: size in bytes, and digest. */
export interface Expected {
  readonly digest: Digest;
  readonly size: number;
}

export interface VerifierOptions {
  /** What the user can do about a mismatch. */
  readonly hint?: string | undefined;
  /** Instead of the codes for local content: what came from a registry is its fault, or the network's. */
  readonly code?: ErrorCode | undefined;
  /** Called before anybody hears of a mismatch. */
  readonly onMismatch?: (() => void) | undefined;
}

/** Tells whether bytes that pass by are what is expected. */
export class Check {
  readonly expected: Expected;
  readonly #hash;
  readonly #what: string;
  readonly #options: VerifierOptions;
  #seen = 0;

  constructor(expected: Expected, what: string = expected.digest, options: VerifierOptions = {}) {
    this.#options = options;
    this.#hash = createHash(digestAlgorithm(expected.digest));
    this.expected = expected;
    this.#what = what;
  }

  /** @throws as soon as there are more than expected */
  take(chunk: Uint8Array): void {
    this.#seen += chunk.length;
    if (this.#seen > this.expected.size) throw this.#wrongSize(`at least ${this.#seen}`);
    this.#hash.update(chunk);
  }

  /** After the last. @throws where size or digest are wrong */
  end(): void {
    if (this.#seen !== this.expected.size) throw this.#wrongSize(String(this.#seen));
    const actual = this.#hash.digest('hex');
    if (actual === digestHex(this.expected.digest)) return;
    const why = `content has digest ${actual.slice(0, 12)}…, expected ${this.expected.digest}`;
    throw this.#mismatch('OCISLIM_DIGEST_MISMATCH', why);
  }

  #wrongSize(actual: string): OcislimError {
    return this.#mismatch('OCISLIM_SIZE_MISMATCH', `${actual} bytes, expected ${this.expected.size}`);
  }

  #mismatch(code: 'OCISLIM_DIGEST_MISMATCH' | 'OCISLIM_SIZE_MISMATCH', why: string): OcislimError {
    this.#options.onMismatch?.();
    return new OcislimError(this.#options.code ?? code, `${this.#what}: ${why}`, {
      hint: this.#options.hint,
    });
  }
}

/**
 * Passes bytes on and fails as soon as there are more than promised, or at the end when size or digest are wrong.
 * The last chunk has left before the digest is known: a consumer must not act on content until the stream ended well.
 */
export class Verifier extends Transform {
  readonly #check: Check;

  constructor(...what: ConstructorParameters<typeof Check>) {
    super();
    this.#check = new Check(...what);
  }

  get expected(): Expected {
    return this.#check.expected;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#check.take(chunk);
    } catch (error) {
      done(error as Error);
      return;
    }
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#check.end();
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  }
}

/** Whether a stream that ends well is what is expected, so that it need not be hashed again. */
export function verifies(stream: Readable, { digest, size }: Expected): boolean {
  return stream instanceof Verifier && stream.expected.digest === digest && stream.expected.size === size;
}

/** Whether content turned out not to be what its descriptor says. */
export function isMismatch(error: unknown): boolean {
  const code = error instanceof OcislimError ? error.code : undefined;
  return /^OCISLIM_(DIGEST|SIZE|REGISTRY)_MISMATCH$/.test(code ?? '');
}

/** Whether an archive is not what its image says, or is damaged. */
export function isWrongContent(error: unknown): boolean {
  return isMismatch(error) || (error instanceof OcislimError && error.code === 'OCISLIM_ARCHIVE_INVALID');
}

/** Reads a small stream whole, checked for size and digest; never holds more than `expected.size` bytes. */
export async function readVerified(
  stream: NodeJS.ReadableStream & AsyncIterable<Buffer>,
  expected: Expected,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const verifier = new Verifier(expected);
  stream.on('error', (error) => verifier.destroy(error));
  for await (const chunk of stream.pipe(verifier)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Hashes and counts bytes whose digest is only known once all of them have passed. */
export class Meter {
  readonly #hash = createHash('sha256');
  #digest: Digest | undefined;
  size = 0;

  take(bytes: Uint8Array): void {
    this.size += bytes.length;
    this.#hash.update(bytes);
  }

  /** The digest of all that was taken; nothing can be taken after it was asked for. */
  get digest(): Digest {
    this.#digest ??= `sha256:${this.#hash.digest('hex')}`;
    return this.#digest;
  }
}
