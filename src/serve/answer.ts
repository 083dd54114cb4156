import { type Descriptor, encodeIndex, isDigest, MediaType } from '#oci-spec-types';
import { type ByteRange, parseRange } from './range.ts';
import {
  type OpenBlob,
  openBlob,
  type Reach,
  type Reached,
  type Repository,
  readDocument,
  repositories,
  type Shelf,
} from './shelf.ts';

/** A request, as much of it as matters. */
export interface Asked {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly range?: string | undefined;
}

/** An answer before it is sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Content from a file; whoever sends it closes it. */
  readonly file?: (OpenBlob & { readonly range?: ByteRange | undefined }) | undefined;
}

/** The longest URL that a client has use for is some 500 characters. */
const URL_LIMIT = 2048;
/** Names that one page of a list has, and the most that may be asked for. */
const PAGE = 1000;

/**
 * Answers as a registry from which can only be pulled (distribution-spec § Pull, § Content Discovery). Paths are compared with what
 * there is, and never become part of a file's name; only digests do, once they were checked.
 */
export async function answer(asked: Asked, shelf: Shelf, reach: Reach): Promise<Answer> {
  if (asked.method !== 'GET' && asked.method !== 'HEAD')
    return failure(405, 'UNSUPPORTED', 'this registry is read-only', { allow: 'GET, HEAD' });
  if (asked.url.length > URL_LIMIT) return failure(414, 'NAME_INVALID', 'the address is too long');
  const url = parts(asked.url);
  if (url === undefined) return failure(400, 'NAME_INVALID', 'the address is no path of a registry');
  const { path, query } = url;
  if (path === '/v2' || path === '/v2/') return json({});
  if (!path.startsWith('/v2/')) return failure(404, 'NAME_UNKNOWN', 'not a path of a registry');
  const all = await shelf();
  const found = repositories(all);
  if (path === '/v2/_catalog') return list('repositories', catalog(found), path, query);
  const [what = '', kind = '', ...name] = path.slice('/v2/'.length).split('/').reverse();
  const repository = find(found, name.reverse().join('/'), query.get('ns'));
  if (repository === undefined)
    return failure(404, 'NAME_UNKNOWN', 'no repository of that name; /v2/_catalog lists them');
  if (kind === 'tags' && what === 'list')
    return list('tags', [...repository.tags.keys()], path, query, { name: name.join('/') });
  const { images } = repository;
  switch (kind) {
    case 'manifests':
      return manifest(what, repository, () => reach(images, all));
    case 'blobs':
      return blob(what, asked.range, () => reach(images, all));
    case 'referrers':
      return referrers(what, query.get('artifactType'), () => reach(images, all));
    default:
      return failure(404, 'UNSUPPORTED', 'not a path of a registry');
  }
}

/** Not `new URL`, which would make `/v2/../x` another path. */
function parts(url: string): { readonly path: string; readonly query: URLSearchParams } | undefined {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  try {
    const path = decodeURIComponent(at < 0 ? url : url.slice(0, at));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    return path.startsWith('/') && !/[\u0000-\u0020\\]|\/\.\.?(?:\/|$)/.test(path)
      ? { path, query }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Clients that use this as a mirror say in `ns` whose image they want, as containerd does. */
function find(
  found: ReadonlyMap<string, Repository>,
  name: string,
  registry: string | null,
): Repository | undefined {
  return registry === null ? found.get(name) : found.get(`${registry}/${name}`);
}

/** Each repository once, by the shortest of its paths; by a longer one where another has that. */
function catalog(found: ReadonlyMap<string, Repository>): readonly string[] {
  const shown = new Map<string, string>();
  const paths = [...found.keys()].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  for (const path of paths) {
    for (const [tag, { reference, folder, descriptor }] of found.get(path)?.tags ?? []) {
      const key = `${folder} ${descriptor.digest} ${reference.registry} ${reference.repository} ${tag}`;
      if (!shown.has(key)) shown.set(key, path);
    }
  }
  const untagged = paths.filter((path) => found.get(path)?.tags.size === 0 && !path.includes('.'));
  return [...new Set([...shown.values(), ...untagged])];
}

/** A page of names in the order of their bytes, after `last` and at most `n` (distribution-spec § Listing Tags). */
function list(
  key: 'repositories' | 'tags',
  names: readonly string[],
  path: string,
  query: URLSearchParams,
  more: Readonly<Record<string, string>> = {},
): Answer {
  const count = query.get('n') ?? String(PAGE);
  if (!/^\d{1,9}$/.test(count)) return failure(400, 'PAGINATION_NUMBER_INVALID', 'n must be a number');
  const last = query.get('last') ?? '';
  const n = Math.min(Number(count), PAGE);
  const after = [...names].sort().filter((name) => name > last);
  const page = after.slice(0, n);
  const end = page.at(-1);
  const next = new URLSearchParams({ n: String(n), last: end ?? '' });
  const link = end !== undefined && after.length > n ? { link: `<${path}?${next}>; rel="next"` } : {};
  return json({ ...more, [key]: page }, link);
}

async function manifest(what: string, { tags }: Repository, reach: () => Promise<Reached>): Promise<Answer> {
  const tagged = tags.get(what);
  const unknown = failure(404, 'MANIFEST_UNKNOWN', 'no manifest of that name');
  if (tagged === undefined && !isDigest(what))
    return what.includes(':') ? failure(400, 'DIGEST_INVALID', 'not a digest') : unknown;
  const digest = tagged?.descriptor.digest ?? what;
  if (!isDigest(digest)) return unknown;
  const folder = tagged?.folder ?? (await reach()).get(digest);
  const document = folder === undefined ? undefined : await readDocument(folder, digest);
  if (document === undefined) return unknown;
  const headers = { 'content-type': document.mediaType, 'docker-content-digest': digest };
  return { status: 200, headers, body: document.bytes };
}

async function blob(
  digest: string,
  header: string | undefined,
  reach: () => Promise<Reached>,
): Promise<Answer> {
  if (!isDigest(digest)) return failure(400, 'DIGEST_INVALID', 'not a digest');
  const folder = (await reach()).get(digest);
  const opened = folder === undefined ? undefined : await openBlob(folder, digest);
  if (opened === undefined) return failure(404, 'BLOB_UNKNOWN', 'no such blob in this repository');
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
  };
  const range = parseRange(header, opened.size);
  if (range === undefined) return { status: 200, headers, file: opened };
  if (range === 'unsatisfiable') {
    await opened.handle.close();
    return failure(416, 'SIZE_INVALID', 'no such range', { 'content-range': `bytes */${opened.size}` });
  }
  const { start, end } = range;
  const part = { ...headers, 'content-range': `bytes ${start}-${end}/${opened.size}` };
  return { status: 206, headers: part, file: { ...opened, range } };
}

async function referrers(
  subject: string,
  wanted: string | null,
  reach: () => Promise<Reached>,
): Promise<Answer> {
  if (!isDigest(subject)) return failure(400, 'DIGEST_INVALID', 'not a digest');
  const manifests: Descriptor[] = [];
  for (const [digest, folder] of await reach()) {
    const document = await readDocument(folder, digest);
    if (document?.subject !== subject) continue;
    const { mediaType, artifactType, annotations, bytes } = document;
    if (wanted !== null && artifactType !== wanted) continue;
    manifests.push({ mediaType, digest, size: bytes.length, artifactType, annotations });
  }
  const sorted = manifests.sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const body = encodeIndex({ schemaVersion: 2, mediaType: MediaType.Index, manifests: sorted });
  const filters = wanted === null ? {} : { 'oci-filters-applied': 'artifactType' };
  return { status: 200, headers: { 'content-type': MediaType.Index, ...filters }, body };
}

function json(value: unknown, headers: Readonly<Record<string, string>> = {}, status = 200): Answer {
  const type = { 'content-type': 'application/json' };
  return { status, headers: { ...type, ...headers }, body: Buffer.from(JSON.stringify(value)) };
}

/** An error in the words of distribution-spec § Error Codes. */
export function failure(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return json({ errors: [{ code, message }] }, headers, status);
}
