import { createHash } from 'node:crypto';
import pMap from 'p-map';
import { type CopyRequest, destinationOf } from './copy-request.ts';
import { type Selected, selectSources } from './copy-select.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import { noRemotes, type Remotes } from './remote.ts';

export interface CopyKeyOptions {
  readonly remotes?: Remotes | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Files that are read at once. */
const PARALLEL = 16;

/**
 * A sha256, in hex, of all that a COPY or ADD depends on but the image: what is asked for, and of each file that is taken
 * its path, type, mode, owner, links, attributes and content, not its times (BuildKit's contenthash does the same). Of a
 * source that is known by an identity nothing is read.
 * @throws what {@link selectSources} throws
 */
export async function copyKey(
  request: CopyRequest,
  source: FileTree,
  { remotes = noRemotes, signal }: CopyKeyOptions = {},
): Promise<string> {
  const hash = createHash('sha256');
  const add = (value: unknown) => hash.update(`${JSON.stringify(value)}\n`);
  add(asked(request));
  const isKnown = source.identity !== undefined && request.kind === 'copy';
  const selected = isKnown ? [] : await selectSources(request, source, remotes);
  if (isKnown) add(source.identity);
  for (const item of selected) {
    const { identity } = item;
    if (identity === undefined) for (const row of await rowsOf(item, signal)) add(row);
    else add([item.shown, identity]);
  }
  return hash.digest('hex');
}

function asked(request: CopyRequest): readonly unknown[] {
  const { kind, sources, chown, chmod, exclude = [], created, checksum } = request;
  const { link = false, parents = false, keepGitDir = false, unpack } = request;
  const written = sources.map((each) =>
    typeof each === 'string' ? each : [each.name, Buffer.from(each.content).toString('base64')],
  );
  const { path, isFolder } = destinationOf(request);
  const flags = [link, parents, keepGitDir, unpack ?? null];
  return [
    kind,
    written,
    path,
    isFolder,
    chown ?? null,
    chmod ?? null,
    exclude,
    created,
    checksum ?? null,
    flags,
  ];
}

async function rowsOf(item: Selected, signal: AbortSignal | undefined): Promise<readonly unknown[]> {
  const { name, root, contents, mayUnpack } = item;
  const inodes = new Map<string, number>();
  const rowOf = async (path: string, node: FileNode, isImplied: boolean) => {
    signal?.throwIfAborted();
    const { type, mode, uid, gid, linkname } = node;
    const digest = type === 'file' ? await item.digest(node) : null;
    const xattrs = [...(node.xattrs ?? [])].map(([key, value]) => [key, value.toString('base64')]);
    return [path, type, mode, uid, gid, linkname ?? null, xattrs, digest, isImplied];
  };
  // Which files are one is part of the result, but not what the system numbers them by.
  const numbered = (node: FileNode) => {
    if (node.inode === undefined) return null;
    const number = inodes.get(node.inode) ?? inodes.size;
    inodes.set(node.inode, number);
    return number;
  };
  const rows = await pMap(contents, (each) => rowOf(each.path, each.node, each.isImplied ?? false), {
    concurrency: PARALLEL,
  });
  const top = root.type === 'directory' ? ['directory'] : await rowOf('', root, false);
  return [[name, mayUnpack, top], ...rows.map((row, at) => [row, numbered(contents[at]?.node ?? root)])];
}
