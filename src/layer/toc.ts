import type { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import { type FileFacts, factsOf, mayHaveFacts } from './facts.ts';
import { measuredTar } from './measured-tar.ts';
import { readTar, type TarMember } from './tar-reader.ts';

/** A member, with what the checks need of its content. Those that are not in a tar yet have no offset. */
export type TocMember = Omit<TarMember, 'offset' | 'device'> & {
  readonly offset?: number | undefined;
  readonly facts?: FileFacts | undefined;
};

/** A layer's table of contents: what the image is, without its bytes. */
export interface Toc {
  /** Bytes of the tar without compression. */
  readonly tarSize: number;
  /** Bytes of the files and link targets in it, hard links counted once: what Docker calls the layer's size. */
  readonly contentSize: number;
  /** Whether the tar has its end marker; one without may be cut short. */
  readonly ended: boolean;
  /** In the order of the tar; of a path that is there twice the later one counts. */
  readonly members: readonly TocMember[];
}

/** Characters of facts in JSON; a whole Debian with a desktop comes to some millions. What is beyond is not judged. */
const FACTS_LIMIT = 32 * 1024 * 1024;

/**
 * Reads a compressed layer to its end.
 * @returns its contents, and the digest of the tar, which the image's config must name
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_DOCUMENT_INVALID for a media type that is no tar
 */
export async function readToc(
  stream: Readable,
  mediaType: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<{ readonly diffId: Digest; readonly toc: Toc }> {
  const { tar, meter } = measuredTar(stream, mediaType);
  const members: TocMember[] = [];
  let room = FACTS_LIMIT;
  const visit = async ({ device, ...member }: TarMember, content: AsyncIterable<Uint8Array>) => {
    const facts = room > 0 && mayHaveFacts(member) ? await factsOf(member, content) : undefined;
    room -= facts === undefined ? 0 : JSON.stringify(facts).length;
    members.push(facts === undefined || room < 0 ? member : { ...member, facts });
  };
  const { ended } = await readTar(tar, visit, { signal, what: 'layer' });
  const toc = { tarSize: meter.size, contentSize: contentSize(members), ended, members };
  return { diffId: meter.digest, toc };
}

function contentSize(members: readonly TocMember[]): number {
  const last = new Map(members.map((member) => [member.path, member]));
  let size = 0;
  for (const member of last.values()) {
    if (member.type === 'file') size += member.size;
    if (member.type === 'symlink') size += Buffer.byteLength(member.linkname ?? '');
  }
  return size;
}

/** Changes with the form below, so that what an older version wrote is read anew from the layer. */
const FORM = 4;

type Row = readonly [
  path: string,
  type: TarMember['type'],
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  size: number,
  linkname: string | null,
  offset: number,
  facts?: FileFacts | null,
  xattrs?: Readonly<Record<string, string>>,
];

/** A table of contents as bytes, for a cache. */
export function encodeToc({ members, ...sizes }: Toc): Buffer {
  return Buffer.from(JSON.stringify({ form: FORM, ...sizes, members: members.map(rowOf) }));
}

function rowOf({ path, type, mode, uid, gid, mtime, size, linkname, offset, facts, xattrs }: TocMember): Row {
  const row = [path, type, mode, uid, gid, mtime, size, linkname ?? null, offset ?? 0] as const;
  if (xattrs === undefined) return facts === undefined ? row : [...row, facts];
  const encoded = [...xattrs].map(([name, value]) => [name, value.toString('base64')]);
  return [...row, facts ?? null, Object.fromEntries(encoded)];
}

function memberOf(row: Row): TocMember {
  const [path, type, mode, uid, gid, mtime, size, linkname, offset, facts, xattrs] = row;
  const member = { path, type, mode, uid, gid, mtime, size, linkname: linkname ?? undefined, offset };
  if (xattrs === undefined) return { ...member, facts: facts ?? undefined };
  const decoded = Object.entries(xattrs).map(
    ([name, value]) => [name, Buffer.from(value, 'base64')] as const,
  );
  return { ...member, facts: facts ?? undefined, xattrs: new Map(decoded) };
}

/** What {@link encodeToc} wrote; undefined for anything else, since a cache can be read again from its source. */
export function decodeToc(bytes: Uint8Array): Toc | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString()) as { form?: unknown; members?: unknown } & Toc;
    if (value.form !== FORM || !Array.isArray(value.members)) return undefined;
    const members = (value.members as readonly Row[]).map(memberOf);
    return { tarSize: value.tarSize, contentSize: value.contentSize, ended: value.ended, members };
  } catch {
    return undefined;
  }
}
