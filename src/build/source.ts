import { createHash } from 'node:crypto';
import { mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { type FolderTree, openFolderTree } from '../dockerfile/context-tree.ts';
import type { FileTree } from '../dockerfile/file-tree.ts';
import { parseGitUrl } from '../dockerfile/git-url.ts';
import { type Ignore, parseIgnore } from '../dockerfile/ignore.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { lazily } from '../lib/lazily.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Context } from '../transports/context.ts';
import type { BuildRequest } from './request.ts';

/** What is built: the Dockerfile, and the files that it may copy. */
export interface BuildSource {
  /** What the result is called where it is given no name. */
  readonly name: string;
  /** What the context is told from others by: a folder, or a URL without its reference. */
  readonly project: string;
  readonly dockerfile: { readonly name: string; readonly text: string };
  /** Where the build context is, if it is a folder of this machine; of a repository the commit. */
  readonly folder?: string | undefined;
  readonly commit?: string | undefined;
  /** The build context. */
  tree(): Promise<FileTree>;
  dispose(): Promise<void>;
}

/** More than any Dockerfile, and than any `.dockerignore`. */
const TEXT_LIMIT = 4 * 1024 * 1024;

/** @throws OCISLIM_INPUT_NOT_FOUND | OCISLIM_INPUT_INVALID | OCISLIM_USAGE */
export async function openBuildSource(request: BuildRequest, context: Context): Promise<BuildSource> {
  const { context: where, file } = request;
  if (where === '-' && file === '-')
    throw new OcislimError('OCISLIM_USAGE', 'both the context and the Dockerfile from standard input');
  if (where === '-') return openStandardInput(request, context);
  if (isGit(where)) return openGit(request, context);
  const folder = await folderOf(where, context.cwd);
  const dockerfile =
    file === '-'
      ? { name: 'Dockerfile', text: await standardInput(request.input) }
      : await readDockerfile(folder, file, context.cwd);
  // The Dockerfile's own list of what is left out comes before the context's.
  const own = 'path' in dockerfile ? [`${dockerfile.path}.dockerignore`] : [];
  const ignore = lazily(() => readIgnore([...own, join(folder, '.dockerignore')]));
  const { name, text } = dockerfile;
  // A pattern that is none is told before anything is done.
  await ignore();
  let opened: FolderTree | undefined;
  return {
    name: basename(folder),
    project: folder,
    folder,
    dockerfile: { name, text },
    tree: lazily(async () => {
      const memo = await memoOf(folder, context);
      opened = openFolderTree(folder, { name: 'the build context', ignore: await ignore(), memo });
      return opened;
    }),
    dispose: async () => opened?.remember(),
  };
}

/** A repository on this machine is a folder. */
function isGit(where: string): boolean {
  return !where.startsWith('file:') && parseGitUrl(where) !== undefined;
}

async function folderOf(where: string, cwd: string): Promise<string> {
  const folder = resolve(cwd, where);
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return realpath(folder);
  const code = found === undefined ? 'OCISLIM_INPUT_NOT_FOUND' : 'OCISLIM_INPUT_INVALID';
  const why = found === undefined ? 'there is no such folder' : 'it is a file, not a folder';
  throw new OcislimError(code, `build context ${where}: ${why}`, {
    hint: found === undefined ? undefined : `a Dockerfile is given with -f: ocislim build -f ${where} .`,
  });
}

/** Where the digests of a context's files are remembered. */
async function memoOf(folder: string, { store }: Context): Promise<string> {
  const name = createHash('sha256').update(`context ${folder}`).digest('hex').slice(0, 32);
  await mkdir(join(store.root, 'caches', name), { recursive: true });
  return join(store.root, 'caches', name, 'sources.json');
}

async function readDockerfile(
  folder: string,
  file: string | undefined,
  cwd: string,
): Promise<{ readonly name: string; readonly text: string; readonly path: string }> {
  const candidates =
    file === undefined
      ? [join(folder, 'Dockerfile'), join(folder, 'dockerfile'), join(folder, 'Containerfile')]
      : [resolve(cwd, file)];
  for (const path of candidates) {
    const text = await readText(path);
    if (text !== undefined) return { name: file ?? basename(path), text, path };
  }
  throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${file ?? 'Dockerfile'}: there is no such file`, {
    hint:
      file === undefined
        ? `${folder} has no Dockerfile; name one with -f, or pack a program without: ocislim pack`
        : 'the path is taken from where you are, not from the context',
  });
}

async function readText(path: string): Promise<string | undefined> {
  const found = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if (!found.isFile() || found.size > TEXT_LIMIT) {
    const why = found.isFile() ? 'too large for a text' : 'no regular file';
    throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: ${why}`);
  }
  return readFile(path, 'utf8');
}

/** What the first of some files that is there leaves out. @throws OCISLIM_DOCKERFILE_INVALID */
export async function readIgnore(paths: readonly string[]): Promise<Ignore | undefined> {
  for (const path of paths) {
    const text = await readText(path);
    if (text !== undefined) return parseIgnore(text, { name: basename(path) });
  }
  return undefined;
}

async function standardInput(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += (chunk as Buffer).length;
    if (size > TEXT_LIMIT)
      throw new OcislimError('OCISLIM_INPUT_INVALID', 'standard input: too large for a Dockerfile');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A tar of the context, or a Dockerfile that needs none. */
async function openStandardInput({ file, input }: BuildRequest, context: Context): Promise<BuildSource> {
  const iterator = input[Symbol.asyncIterator]();
  let beginning = Buffer.alloc(0);
  let isOver = false;
  while (beginning.length < 512 && !isOver) {
    const { value, done } = await iterator.next();
    if (done) isOver = true;
    else beginning = Buffer.concat([beginning, value as Buffer]);
  }
  const rest = async function* () {
    yield beginning;
    if (!isOver) yield* { [Symbol.asyncIterator]: () => iterator } as AsyncIterable<Buffer>;
  };
  if (isText(beginning)) {
    const text = await standardInput(Readable.from(rest()));
    const folder = await context.store.temporaryFile();
    return {
      name: 'image',
      project: '-',
      dockerfile: { name: 'Dockerfile', text },
      tree: lazily(async () => {
        await mkdir(folder, { recursive: true });
        return openFolderTree(folder, { name: 'the build context, which is empty' });
      }),
      dispose: () => removeTree(folder),
    };
  }
  const folder = await context.store.temporaryFile();
  await mkdir(folder);
  const temporaryFile = async () => join(folder, 'tar');
  const { signal } = context;
  const { openTarTree } = await import('../dockerfile/tar-tree.ts');
  const tree = await openTarTree(Readable.from(rest()), { name: 'the build context', temporaryFile, signal });
  return ofTree({ name: 'image', project: '-' }, tree, file, () => removeTree(folder));
}

/** No tar, nor anything compressed, has a beginning without control characters. */
function isText(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 32 || (byte >= 9 && byte <= 13));
}

async function openGit({ context: url, file }: BuildRequest, context: Context): Promise<BuildSource> {
  const folder = await context.store.temporaryFile();
  try {
    const { env, signal } = context;
    const temporaryFolder = async () => folder;
    const { openGitTree } = await import('../dockerfile/git.ts');
    const tree = await openGitTree(url, { env, signal, name: 'the build context', temporaryFolder });
    const name = basename(url.replace(/[?#].*$/, '').replace(/\.git$/, ''));
    const project = url.replace(/#.*$/, '');
    const commit = /^git ([0-9a-f]+) /.exec(tree.identity ?? '')?.[1];
    return await ofTree({ name, project, commit }, tree, file, () => removeTree(folder));
  } catch (error) {
    await removeTree(folder);
    throw error;
  }
}

async function ofTree(
  named: Pick<BuildSource, 'name' | 'project' | 'commit'>,
  tree: FileTree,
  file: string | undefined,
  dispose: () => Promise<void>,
): Promise<BuildSource> {
  const path = file ?? 'Dockerfile';
  const node = await tree.lookup(path);
  if (node?.type !== 'file' || node.size > TEXT_LIMIT) {
    await dispose();
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${tree.name} has no ${path}`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of await tree.open(node)) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return { ...named, dockerfile: { name: path, text }, tree: async () => tree, dispose };
}
