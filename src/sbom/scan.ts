import { createHash } from 'node:crypto';
import { open, rm, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { fromBufferPromise, fromFdPromise } from 'yauzl';
import type { Digest } from '#oci-spec-types';
import type { ReadAt } from '../elf/file.ts';
import { measuredTar } from '../layer/measured-tar.ts';
import { readTar, type TarMember } from '../layer/tar-reader.ts';
import { parseApk } from './apk.ts';
import type { Evidence, FoundPackage, OsRelease } from './component.ts';
import { parseCopyright, parseDpkg } from './dpkg.ts';
import { packagesOfJar, parsePom } from './jar.ts';
import { NPM_MANIFEST, parseNpm } from './npm.ts';
import { parseOsRelease } from './os-release.ts';
import { packagesOfProgram } from './program.ts';
import { parseRpm } from './rpm.ts';

/** What one file of a layer tells of software. */
export interface FileFinding {
  readonly path: string;
  /** Where its content begins in the layer's tar, in bytes; by it hard links find it. */
  readonly offset: number;
  /** Of its content, in hex; none of one that only tells of others' licences. */
  readonly sha1?: string | undefined;
  readonly sha256?: string | undefined;
  readonly evidence: Evidence;
  readonly packages: readonly FoundPackage[];
  readonly os?: OsRelease | undefined;
  /** Names of licences that a copyright file has. */
  readonly licences?: readonly string[] | undefined;
  /** Why nothing could be read of a file that must have something. */
  readonly unread?: string | undefined;
}

/** A kind of file that tells of software. */
interface Kind {
  readonly path: RegExp;
  /** Larger ones are not read, in bytes. */
  readonly limit: number;
  readonly evidence: Evidence;
  read(content: Held, path: string): Promise<Told> | Told;
}

type Told = Partial<Pick<FileFinding, 'packages' | 'os' | 'licences' | 'unread'>>;

/** A file's content while it is looked at. */
interface Held {
  readonly size: number;
  readonly read: ReadAt;
  /** Set where it is in memory. */
  readonly bytes?: Buffer | undefined;
  /** Descriptor of the file where it is, if it is not. */
  readonly fd?: number | undefined;
  text(): Promise<string>;
}

const KB = 1024;
const MB = 1024 * KB;
const GB = 1024 * MB;

const text = (
  path: RegExp,
  limit: number,
  tell: (text: string) => Told,
  evidence: Evidence = 'records',
): Kind => ({
  path,
  limit,
  evidence,
  read: async (content) => tell(await content.text()),
});
const unreadable = (path: RegExp, what: string): Kind => ({
  path,
  limit: GB,
  evidence: 'records',
  read: ({ size }) => (size === 0 ? {} : { unread: what }),
});
const packagesOf = (found: FoundPackage | undefined) => ({ packages: found === undefined ? [] : [found] });

const KINDS: readonly Kind[] = [
  text(/^(?:usr\/)?lib\/apk\/db\/installed$/, 64 * MB, (said) => ({ packages: parseApk(said) })),
  text(/^var\/lib\/dpkg\/(?:status|status\.d\/(?!.*\.md5sums$)[^/]+)$/, 64 * MB, (said) => ({
    packages: parseDpkg(said),
  })),
  {
    path: /^(?:var\/lib|usr\/lib\/sysimage)\/rpm\/rpmdb\.sqlite$/,
    limit: 2 * GB,
    evidence: 'records',
    read: async ({ read }) => ({ packages: await parseRpm(read) }),
  },
  unreadable(/^(?:var\/lib|usr\/lib\/sysimage)\/rpm\/Packages$/, "rpm's database in the form of Berkeley DB"),
  unreadable(/^(?:var\/lib|usr\/lib\/sysimage)\/rpm\/Packages\.db$/, "rpm's database in the form of ndb"),
  unreadable(
    /^(?:var\/lib|usr\/lib\/sysimage)\/rpm\/rpmdb\.sqlite-wal$/,
    "what was not yet written back of rpm's database",
  ),
  text(/^(?:etc|usr\/lib)\/os-release$/, 64 * KB, (said) => ({ os: parseOsRelease(said) })),
  text(/^usr\/share\/doc\/[^/]+\/copyright$/, MB, (said) => ({ licences: parseCopyright(said) })),
  text(NPM_MANIFEST, MB, (said) => packagesOf(parseNpm(said)), 'contains'),
  text(
    /(?:^|\/)META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/,
    64 * KB,
    (said) => ({ packages: parsePom(said) }),
    'contains',
  ),
  {
    path: /\.(?:jar|war|ear)$/i,
    limit: 4 * GB,
    evidence: 'contains',
    read: async ({ bytes, fd }, path) => {
      const options = { decodeStrings: false, autoClose: false };
      const zip = bytes ? await fromBufferPromise(bytes, options) : await fromFdPromise(fd ?? -1, options);
      return { packages: await packagesOfJar(zip, path) };
    },
  },
];

/** A program, or a library, of which only its first bytes tell that it is one. */
const PROGRAM: Kind = {
  path: /^/,
  limit: 4 * GB,
  evidence: 'contains',
  read: async ({ read }) => ({ packages: await packagesOfProgram(read) }),
};
const ELF = Buffer.from('\x7fELF', 'latin1');

/** What is larger lies in a file while it is looked at. */
const IN_MEMORY = 8 * MB;
/** Findings of one layer; what is beyond is not told. */
const PACKAGE_LIMIT = 250_000;

export interface ScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** Gives the path of a file for large content, which is removed again. */
  readonly temporaryFile: () => Promise<string>;
}

/**
 * Reads a compressed layer to its end, and gives what its files tell of the software in it.
 * @returns also the digest of the tar, which the image's config must name
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_DOCUMENT_INVALID for a layer that is no tar
 */
export async function scanLayer(
  stream: Readable,
  mediaType: string,
  options: ScanOptions,
): Promise<{ readonly diffId: Digest; readonly findings: readonly FileFinding[] }> {
  const { tar, meter } = measuredTar(stream, mediaType);
  const findings: FileFinding[] = [];
  let room = PACKAGE_LIMIT;
  const visit = async (member: TarMember, content: AsyncIterable<Uint8Array>) => {
    const kind = kindOf(member);
    if (kind === undefined || room <= 0) return;
    const finding = await findingOf(member, kind, content, options);
    if (finding === undefined) return;
    room -= finding.packages.length + 1;
    findings.push(finding);
  };
  await readTar(tar, visit, { signal: options.signal, what: 'layer' });
  return { diffId: meter.digest, findings };
}

function kindOf({ type, path, size, mode }: TarMember): Kind | undefined {
  if (type !== 'file' || size === 0) return undefined;
  const named = KINDS.find((kind) => kind.path.test(path));
  const kind = named ?? ((mode & 0o111) !== 0 || /\.so(?:\.|$)/.test(path) ? PROGRAM : undefined);
  return kind !== undefined && size <= kind.limit ? kind : undefined;
}

async function findingOf(
  { path, offset, size }: TarMember,
  kind: Kind,
  content: AsyncIterable<Uint8Array>,
  { temporaryFile, signal }: ScanOptions,
): Promise<FileFinding | undefined> {
  const hashes = [createHash('sha1'), createHash('sha256')] as const;
  const hashed = hashing(content, hashes);
  const wanted = kind === PROGRAM ? await onlyIf(ELF, hashed) : hashed;
  if (wanted === undefined) return undefined;
  const look = async (held: Held): Promise<Told> => {
    try {
      return await kind.read(held, path);
    } catch (error) {
      // What is damaged tells nothing; a scan goes on with the others.
      signal?.throwIfAborted();
      return { unread: error instanceof Error ? error.message : String(error) };
    }
  };
  const told = await (size <= IN_MEMORY
    ? inMemory(wanted, size, look)
    : inFile(wanted, size, await temporaryFile(), look));
  const { packages = [], os, licences, unread } = told;
  const common = { path, offset, evidence: kind.evidence, packages };
  if (licences !== undefined) return { ...common, licences };
  if (packages.length === 0 && os === undefined && unread === undefined) return undefined;
  const [sha1, sha256] = hashes.map((hash) => hash.digest('hex'));
  return { ...common, sha1, sha256, ...(os ? { os } : {}), ...(unread ? { unread: shown(unread) } : {}) };
}

/** An error's words may hold what a file says. */
function shown(message: string): string {
  return message.replace(/\p{C}+/gu, ' ').slice(0, 200);
}

async function* hashing(
  content: AsyncIterable<Uint8Array>,
  hashes: readonly ReturnType<typeof createHash>[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    for (const hash of hashes) hash.update(chunk);
    yield chunk;
  }
}

/** The content again, if it begins with such bytes; else it is read to its end, which a tar's reader waits for. */
async function onlyIf(
  beginning: Buffer,
  content: AsyncGenerator<Uint8Array>,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  let first = Buffer.alloc(0);
  while (first.length < beginning.length) {
    const { value, done } = await content.next();
    if (done) return undefined;
    first = Buffer.concat([first, value]);
  }
  if (!first.subarray(0, beginning.length).equals(beginning)) {
    while (!(await content.next()).done);
    return undefined;
  }
  return (async function* () {
    yield first;
    yield* content;
  })();
}

async function inMemory(
  content: AsyncIterable<Uint8Array>,
  size: number,
  look: (held: Held) => Promise<Told>,
): Promise<Told> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  const bytes = Buffer.concat(chunks, size);
  const read: ReadAt = async (offset, length) => bytes.subarray(offset, offset + length);
  return look({ size, bytes, read, text: async () => bytes.toString('utf8') });
}

async function inFile(
  content: AsyncIterable<Uint8Array>,
  size: number,
  path: string,
  look: (held: Held) => Promise<Told>,
): Promise<Told> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    const file = await open(path, 'r');
    try {
      const read: ReadAt = async (offset, length) => {
        const wanted = Math.max(0, Math.min(length, size - offset));
        const { buffer, bytesRead } = await file.read(Buffer.alloc(wanted), 0, wanted, offset);
        return buffer.subarray(0, bytesRead);
      };
      const whole = async () => (await read(0, size)).toString('utf8');
      return await look({ size, read, fd: file.fd, text: whole });
    } finally {
      await file.close();
    }
  } finally {
    await rm(path, { force: true });
  }
}

/** Changes with what a scan finds, so that what an older version wrote is read anew from the layer. */
const FORM = 1;

/** Findings as bytes, for a cache. */
export function encodeFindings(findings: readonly FileFinding[]): Buffer {
  return Buffer.from(JSON.stringify({ form: FORM, findings }));
}

/** What {@link encodeFindings} wrote; undefined for anything else, since a layer can be read again. */
export function decodeFindings(bytes: Uint8Array): readonly FileFinding[] | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString()) as { form?: unknown; findings?: unknown };
    return value.form === FORM && Array.isArray(value.findings) ? value.findings : undefined;
  } catch {
    return undefined;
  }
}
