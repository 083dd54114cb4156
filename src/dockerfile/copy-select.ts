import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import pMap from 'p-map';
import { cleanPath } from '../layer/clean-path.ts';
import { OcislimError } from '../lib/errors.ts';
import { type CopyRequest, type InlineFile, isLinked } from './copy-request.ts';
import type { FileNode, FileTree } from './file-tree.ts';
import { compileGlob, type Glob, hasWildcard } from './glob.ts';
import { missingSource } from './missing-source.ts';
import { type PathPatterns, pathPatterns } from './path-patterns.ts';
import { type Remotes, remoteKind } from './remote.ts';

/** One thing that COPY takes: a file, or a folder with what is in it. */
export interface Selected {
  /** The last part of the path it was found by, which is its name in a folder. */
  readonly name: string;
  /** How messages name it. */
  readonly shown: string;
  /** Links followed. */
  readonly root: FileNode;
  /** Of a folder: what is taken of it, folders before what is in them. */
  readonly contents: readonly Picked[];
  /** Whether it is unpacked if it is an archive. */
  readonly mayUnpack: boolean;
  open(node: FileNode): Promise<Readable>;
  digest(node: FileNode): Promise<string>;
  /** What the whole source is known by. */
  readonly identity?: string | undefined;
}

export interface Picked {
  /** Relative to the folder it is taken from. */
  readonly path: string;
  readonly node: FileNode;
  /** A folder that is not meant itself, but something in it: where it is there already, it stays as it is. */
  readonly isImplied?: boolean | undefined;
}

/** Files and folders that one instruction takes. */
const LIMIT = 5_000_000;
const PARALLEL = 16;

/**
 * What a request takes of its sources, in the order in which it is written; needs no image.
 * @throws OCISLIM_INPUT_NOT_FOUND for a path that is not there; a wildcard that nothing matches is none
 */
export async function selectSources(
  request: CopyRequest,
  source: FileTree,
  remotes: Remotes,
): Promise<readonly Selected[]> {
  checkRequest(request);
  const exclude = pathPatterns(request.exclude ?? [], '--exclude');
  const selected: Selected[] = [];
  for (const each of request.sources) {
    if (typeof each !== 'string') selected.push(inline(each));
    else selected.push(...(await selectOne(each, request, source, remotes, exclude)));
  }
  return selected;
}

function checkRequest({ kind, sources, checksum, chown, ...request }: CopyRequest): void {
  const wrong = (message: string, hint?: string) =>
    new OcislimError('OCISLIM_INPUT_INVALID', message, { hint });
  const command = kind.toUpperCase();
  if (sources.length === 0) throw wrong(`${command}: no source`);
  const remote = sources.filter((each) => typeof each === 'string' && remoteKind(each) !== undefined);
  if (kind === 'copy' && remote.length > 0)
    throw wrong(`COPY ${remote[0]}: a URL cannot be copied`, 'ADD fetches it');
  if (kind === 'copy' && (checksum !== undefined || request.keepGitDir || request.unpack !== undefined))
    throw wrong('COPY: --checksum, --keep-git-dir and --unpack are for ADD alone');
  if (checksum !== undefined && (sources.length !== 1 || remote.length !== 1))
    throw wrong(`${command}: --checksum is for one URL`);
  if (chown !== undefined && isLinked({ kind, sources, ...request }) && !/^\d+(?::\d+)?$/.test(chown))
    throw wrong(
      `--chown=${chown}: with --link the image is not looked into for names`,
      'give numbers, such as --chown=1000:1000, or leave out --link',
    );
}

async function selectOne(
  path: string,
  request: CopyRequest,
  source: FileTree,
  remotes: Remotes,
  exclude: PathPatterns,
): Promise<readonly Selected[]> {
  const kind = request.kind === 'add' ? remoteKind(path) : undefined;
  if (kind === 'file') return [await remoteFile(path, request, remotes)];
  if (kind === 'git') {
    const { keepGitDir, checksum } = request;
    const tree = await remotes.git(path, { keepGitDir, checksum });
    return [await take(tree, '', path, { exclude, mayUnpack: false })];
  }
  if (request.parents) return selectWithParents(path, source, exclude);
  const options = { exclude, mayUnpack: request.unpack ?? request.kind === 'add' };
  const cleaned = cleanPath(path);
  if (!hasWildcard(cleaned)) return [await take(source, cleaned, path, options)];
  const found = await expandWildcards(source, cleaned, path);
  const kept = found.filter((each) => !exclude.matches(nameOf(each)));
  const taken: Selected[] = [];
  for (const each of kept) taken.push(await take(source, each, each, options));
  return taken;
}

interface TakeOptions {
  readonly exclude: PathPatterns;
  readonly mayUnpack: boolean;
}

/** @throws OCISLIM_INPUT_NOT_FOUND */
async function take(tree: FileTree, path: string, shown: string, options: TakeOptions): Promise<Selected> {
  const root = await tree.lookup(path);
  if (root === undefined) throw await missingSource(tree, path, shown);
  const isFolder = root.type === 'directory';
  const contents = isFolder ? await walk(tree, root.path, { exclude: options.exclude }) : [];
  return selectedFrom(tree, { name: nameOf(path), shown, root, contents, mayUnpack: options.mayUnpack });
}

function selectedFrom(
  tree: FileTree,
  found: Pick<Selected, 'name' | 'shown' | 'root' | 'contents' | 'mayUnpack'>,
): Selected {
  return {
    ...found,
    identity: tree.identity,
    open: (node) => tree.open(node),
    digest: (node) => tree.digest(node),
  };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * The paths that match, as filepath.Match has it part by part. Links before the first wildcard are followed, none behind
 * it.
 */
async function expandWildcards(tree: FileTree, path: string, shown: string): Promise<readonly string[]> {
  const parts = path.split('/');
  const first = parts.findIndex(hasWildcard);
  const start = parts.slice(0, first).join('/');
  if ((await tree.lookup(start)) === undefined) throw await missingSource(tree, start, shown);
  let found = [start];
  const globs = parts.slice(first).map((part) => globOf(part, shown));
  for (const [at, glob] of globs.entries()) {
    const isLast = at === globs.length - 1;
    const next: string[] = [];
    for (const folder of found) {
      for (const name of await tree.list(folder)) {
        if (!glob.matches(name)) continue;
        const below = folder === '' ? name : `${folder}/${name}`;
        if (isLast || (await tree.lookup(below, { followLast: false }))?.type === 'directory')
          next.push(below);
      }
      if (next.length > LIMIT) throw tooMany(shown);
    }
    found = next;
  }
  return found;
}

function globOf(pattern: string, shown: string): Glob {
  const glob = compileGlob(pattern);
  if (glob !== undefined) return glob;
  throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: not a pattern`, {
    hint: 'a [ needs a ] behind it; for the character itself write [[]',
  });
}

interface WalkOptions {
  readonly exclude: PathPatterns;
  readonly include?: { readonly patterns: PathPatterns; mayBeBelow(folder: string): boolean } | undefined;
}

/** What of a folder is taken. A folder that is not meant comes along only where something in it is. */
async function walk(tree: FileTree, folder: string, options: WalkOptions): Promise<readonly Picked[]> {
  const { exclude, include } = options;
  const picked: Picked[] = [];
  const visit = async (real: string, below: string, pending: readonly Picked[]): Promise<void> => {
    const names = await tree.list(real);
    const looked = await pMap(
      names,
      async (name) => ({
        name,
        node: await tree.lookup(real === '' ? name : `${real}/${name}`, { followLast: false }),
      }),
      { concurrency: PARALLEL },
    );
    let waiting = pending;
    for (const { name, node } of looked) {
      // Gone since the folder was listed: whoever takes it then is told so by what reads it.
      if (node === undefined) continue;
      const path = below === '' ? name : `${below}/${name}`;
      const isFolder = node.type === 'directory';
      const isMeant = (include?.patterns.matches(path) ?? true) && !exclude.matches(path);
      if (isMeant) {
        picked.push(...waiting, { path, node });
        waiting = [];
        if (picked.length > LIMIT) throw tooMany(folder);
      }
      if (!isFolder) continue;
      const mayHaveMore = isMeant || exclude.hasExceptions || !exclude.matches(path);
      const mayBeBelow = include === undefined || isMeant || include.mayBeBelow(path);
      if (!mayHaveMore || !mayBeBelow) continue;
      const before = picked.length;
      await visit(node.path, path, isMeant ? [] : [...waiting, { path, node, isImplied: true }]);
      if (picked.length > before) waiting = [];
    }
  };
  await visit(folder, '', []);
  return picked;
}

/** `--parents`: the path is kept from the root on, or from the `/./` in it. */
async function selectWithParents(
  path: string,
  source: FileTree,
  exclude: PathPatterns,
): Promise<readonly Selected[]> {
  const pivot = path.indexOf('/./');
  const base = pivot < 0 ? '' : cleanPath(path.slice(0, pivot));
  const pattern = cleanPath(pivot < 0 ? path : path.slice(pivot + 3));
  const bases = hasWildcard(base) ? await expandWildcards(source, base, path) : [base];
  const isLiteral = !hasWildcard(base) && !hasWildcard(pattern);
  const include = pattern === '' ? undefined : includeOf(pattern, path);
  const selected: Selected[] = [];
  for (const each of bases) {
    const root = await source.lookup(each);
    if (root === undefined) throw await missingSource(source, each, path);
    if (root.type !== 'directory') {
      if (isLiteral)
        throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${each} in ${source.name} is no folder`);
      continue;
    }
    if (isLiteral && (await source.lookup(`${root.path}/${pattern}`)) === undefined)
      throw await missingSource(source, cleanPath(`${root.path}/${pattern}`), path);
    const contents = await walk(source, root.path, { exclude, include });
    if (contents.length === 0 && !isLiteral) continue;
    if (contents.length === 0 && pattern !== '' && !exclude.matches(pattern))
      throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: it goes through a link`, {
        hint: '--parents keeps folders as they are; name the path that the link leads to',
      });
    selected.push(selectedFrom(source, { name: '', shown: path, root, contents, mayUnpack: false }));
  }
  return selected;
}

function includeOf(pattern: string, shown: string): WalkOptions['include'] {
  const patterns = pathPatterns([pattern], shown);
  const parts = pattern.split('/').map((part) => (part.includes('**') ? undefined : globOf(part, shown)));
  return {
    patterns,
    mayBeBelow: (folder) => {
      for (const [at, name] of folder.split('/').entries()) {
        if (at >= parts.length) return false;
        const part = parts[at];
        if (part === undefined) return true;
        if (!part.matches(name)) return false;
      }
      return true;
    },
  };
}

function inline({ name, content }: InlineFile): Selected {
  const bytes = Buffer.from(content);
  const plain = nameOf(name);
  if (['', '.', '..'].includes(plain))
    throw new OcislimError('OCISLIM_INPUT_INVALID', `<<${name}: not a name that a file can have`);
  const root = { path: plain, type: 'file', mode: 0o644, uid: 0, gid: 0, size: bytes.length } as const;
  return {
    name: plain,
    shown: `<<${name}`,
    root,
    contents: [],
    mayUnpack: false,
    open: async () => Readable.from([bytes], { objectMode: false }),
    digest: async () => createHash('sha256').update(bytes).digest('hex'),
  };
}

async function remoteFile(url: string, request: CopyRequest, remotes: Remotes): Promise<Selected> {
  const file = await remotes.file(url, { checksum: request.checksum });
  const root = { path: file.name, type: 'file', mode: 0o600, uid: 0, gid: 0, size: file.size } as const;
  return {
    name: file.name,
    shown: url,
    root,
    contents: [],
    mayUnpack: request.unpack ?? false,
    open: () => file.open(),
    digest: async () => file.digest,
  };
}

function tooMany(shown: string): OcislimError {
  return new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: more than ${LIMIT} files`);
}
