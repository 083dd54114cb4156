import type { FileFacts } from './facts.ts';
import type { TarMember } from './tar-reader.ts';

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
  const known = { linkname: linkname ?? undefined, offset, facts: facts ?? undefined };
  const member = { path, type, mode, uid, gid, mtime, size, ...known };
  if (xattrs === undefined) return member;
  const decoded = Object.entries(xattrs).map(
    ([name, value]) => [name, Buffer.from(value, 'base64')] as const,
  );
  return { ...member, xattrs: new Map(decoded) };
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
