import { type Linkage, readLinkage } from '../elf/linkage.ts';
import type { TarMember } from './tar-reader.ts';

/** What the checks need of a file's content, so that its layer need not be read again for them. */
export interface FileFacts {
  /** Of a program or a shared library. */
  readonly linkage?: Linkage | undefined;
  /** Of a small file that says how programs are started. */
  readonly text?: string | undefined;
}

/** Where loaders look for libraries (ld.so(8), musl's ldso). */
const TEXTS = /^etc\/(?:ld\.so\.conf|ld\.so\.conf\.d\/[^/]+\.conf|ld-musl-[\w-]+\.path)$/;
const TEXT_LIMIT = 64 * 1024;
/** Larger programs are there, too, but none that others are linked with; one at a time is held in memory. */
const PROGRAM_LIMIT = 32 * 1024 * 1024;
const ELF_HEADER = 52;

type Seen = Pick<TarMember, 'path' | 'size' | 'mode'> & { readonly type: string };

/** Whether {@link factsOf} can say something of a member; of others the content need not be read. */
export function mayHaveFacts({ type, path, size, mode }: Seen): boolean {
  if (type !== 'file') return false;
  if (TEXTS.test(path)) return size <= TEXT_LIMIT;
  const mayBeProgram = (mode & 0o111) !== 0 || /\.so(?:\.|$)/.test(path);
  return mayBeProgram && size >= ELF_HEADER && size <= PROGRAM_LIMIT;
}

/** Reads a member's content to its end, and gives what the checks need of it. */
export async function factsOf(
  { path, size }: Pick<Seen, 'path' | 'size'>,
  content: AsyncIterable<Uint8Array>,
): Promise<FileFacts | undefined> {
  const isText = TEXTS.test(path);
  let bytes: Buffer | undefined;
  let at = 0;
  let isOf: boolean | undefined;
  for await (const chunk of content) {
    isOf ??= isText || Buffer.from(chunk.subarray(0, 4)).equals(MAGIC);
    if (!isOf) continue;
    bytes ??= Buffer.alloc(size);
    bytes.set(chunk.subarray(0, size - at), at);
    at += chunk.length;
  }
  if (bytes === undefined) return undefined;
  if (isText) return { text: bytes.toString('utf8') };
  const whole = bytes;
  const linkage = await readLinkage(async (offset, length) => whole.subarray(offset, offset + length));
  return linkage && { linkage };
}

const MAGIC = Buffer.from('\x7fELF', 'latin1');
