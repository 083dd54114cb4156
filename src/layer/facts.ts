import type { ReadAt } from '../elf/file.ts';
import { describeElf, type ElfFacts } from '../elf/program.ts';
import { type ProgramKind, recogniseProgram } from '../elf/recognise.ts';
import { parseShebang, type Shebang } from '../elf/shebang.ts';
import type { TarMember } from './tar-reader.ts';

/** What the checks need of a file's content, so that its layer need not be read again for them. */
export interface FileFacts {
  /** Of a program or a shared library. */
  readonly elf?: ElfFacts | undefined;
  /** Of a script. */
  readonly shebang?: Shebang | undefined;
  /** Of a file that may be executed, but is neither of these; `elf` is a damaged one. */
  readonly format?: Exclude<ProgramKind, 'script'> | undefined;
  /** Of a small file that says how programs are started. */
  readonly text?: string | undefined;
}

/** Users and groups, where loaders look for libraries (ld.so(8), musl's ldso), and which Java it is. */
export const TEXTS =
  /^etc\/(?:passwd|group|ld\.so\.conf|ld\.so\.conf\.d\/[^/]+\.conf|ld-musl-[\w-]+\.path)$|\/release$/;
export const TEXT_LIMIT = 64 * 1024;
/** Programs and libraries are held in memory up to here, one at a time; what lies beyond is taken for zeros. */
const PROGRAM_LIMIT = 32 * 1024 * 1024;
/** Enough to tell what kind of file it is. */
export const BEGINNING = 4096;

type Seen = Pick<TarMember, 'path' | 'size' | 'mode'> & { readonly type: string };

/** Whether {@link factsOf} can say something of a member; of others the content need not be read. */
export function mayHaveFacts({ type, path, size, mode }: Seen): boolean {
  if (type !== 'file') return false;
  return (mode & 0o111) !== 0 || /\.so(?:\.|$)/.test(path) || (TEXTS.test(path) && size <= TEXT_LIMIT);
}

/** Reads a member's content to its end, and gives what the checks need of it. */
export async function factsOf(
  member: Pick<Seen, 'path' | 'size'>,
  content: AsyncIterable<Uint8Array>,
): Promise<FileFacts | undefined> {
  const reader = factsReader(member);
  for await (const chunk of content) reader.take(chunk);
  return reader.facts();
}

/** Takes a member's content as it passes; once all of it did, gives what the checks need of it. */
export function factsReader({ path, size }: Pick<Seen, 'path' | 'size'>): {
  take(chunk: Uint8Array): void;
  facts(): Promise<FileFacts | undefined>;
} {
  const isText = TEXTS.test(path) && size <= TEXT_LIMIT;
  const limit = Math.min(size, PROGRAM_LIMIT);
  // Chunks may be as small as a byte.
  let beginning = Buffer.alloc(0);
  let kind: ProgramKind | undefined;
  let bytes = Buffer.alloc(0);
  let at = 0;
  const keep = (chunk: Uint8Array) => {
    if (at < bytes.length) bytes.set(chunk.subarray(0, bytes.length - at), at);
    at += chunk.length;
  };
  const take = (chunk: Uint8Array) => {
    if (kind !== undefined) {
      keep(chunk);
      return;
    }
    beginning = Buffer.concat([beginning, chunk]);
    if (beginning.length < Math.min(size, BEGINNING)) return;
    kind = recogniseProgram(beginning);
    if (kind === 'elf' || isText) bytes = Buffer.alloc(limit);
    keep(beginning);
  };
  const facts = async () => {
    if (isText) return { text: bytes.toString('utf8') };
    return factsFrom(kind ?? 'unknown', beginning, async (offset, length) => {
      const known = bytes.subarray(offset, offset + length);
      return offset < limit ? known : Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
    });
  };
  return { take, facts };
}

/** What an executable file says, by its first bytes and, of ELF, what `read` gives. */
export async function factsFrom(kind: ProgramKind, beginning: Buffer, read: ReadAt): Promise<FileFacts> {
  if (kind === 'script') return { shebang: parseShebang(beginning) };
  if (kind !== 'elf') return { format: kind };
  const elf = await describeElf(read);
  return elf === undefined ? { format: 'elf' } : { elf };
}
