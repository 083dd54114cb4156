import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import type { Places, Plan } from './recipe.ts';

/** Folders below the first that are looked into, and files and folders that are looked at. */
const DEPTH = 6;
const LIMIT = 50_000;
/** Names that a message lists. */
const SHOWN = 20;

/**
 * The one thing that a plan has made, by its real path.
 * @param places folders of this machine that it must be in: what compiles may be hostile, and a link could lead to any file
 * @throws OCISLIM_COMPILE_FAILED when there is none, or more than one that it could be
 */
export async function findArtifact(
  plan: Pick<Plan, 'artifact' | 'kind'>,
  places: Pick<Places, 'source' | 'output' | 'scratch'>,
): Promise<string> {
  const found = await realpath(await namedOrOnly(plan));
  const roots = [places.source, places.output, places.scratch].map((root) =>
    realpath(root).catch(() => root),
  );
  for (const root of await Promise.all(roots)) if (found.startsWith(`${root}${sep}`)) return found;
  throw nothing(`${basename(plan.artifact)} is a link that leads elsewhere`);
}

async function namedOrOnly({ artifact, kind }: Pick<Plan, 'artifact' | 'kind'>): Promise<string> {
  const pattern = basename(artifact);
  const folder = dirname(artifact);
  if (!pattern.includes('*')) {
    const found = await stat(artifact).catch(() => undefined);
    if (kind === 'folder' ? found?.isDirectory() : found?.isFile()) return artifact;
    throw nothing(`${pattern} was not made`);
  }
  const files = await filesBelow(folder, pattern === '**' ? DEPTH : 0);
  const fits = kind === 'jar' ? isMainJar : isProgram;
  const found: string[] = [];
  for (const file of files) if (await fits(file)) found.push(file);
  const [only, ...others] = found;
  if (only === undefined) throw nothing(kind === 'jar' ? 'no jar was made' : 'no program was made');
  if (others.length > 0) throw several(found.map((path) => path.slice(folder.length + 1)).sort());
  return only;
}

function several(names: readonly string[]): OcislimError {
  return new OcislimError(
    'OCISLIM_COMPILE_FAILED',
    `it could be any of these that is meant: ${names.slice(0, SHOWN).join(', ')}`,
    { hint: 'say which with --bin NAME, or with --build CMD --artifact PATH' },
  );
}

function nothing(why: string): OcislimError {
  return new OcislimError('OCISLIM_COMPILE_FAILED', `it compiled, but ${why}`, {
    hint: 'say how it is built, and what that makes, with --build CMD --artifact PATH',
  });
}

async function filesBelow(root: string, depth: number): Promise<readonly string[]> {
  const files: string[] = [];
  const folders = [{ path: root, depth }];
  for (let at = 0, seen = 0; at < folders.length && seen < LIMIT; at++) {
    const { path, depth: left } = folders[at] ?? { path: root, depth: 0 };
    const listed = await readdir(path, { withFileTypes: true }).catch(() => []);
    seen += listed.length;
    for (const each of listed) {
      if (each.isFile()) files.push(join(path, each.name));
      // CMake and Meson try their compilers there.
      else if (each.isDirectory() && left > 0 && !/^(\.git|CMakeFiles|meson-private)$/.test(each.name))
        folders.push({ path: join(path, each.name), depth: left - 1 });
    }
  }
  return files;
}

/** Not those for developers (Maven's classifiers), nor what the shade plugin and Spring Boot set aside. */
async function isMainJar(path: string): Promise<boolean> {
  return /\.(jar|war)$/.test(path) && !/-(sources|javadoc|tests|plain)\.jar$|\/original-[^/]*$/.test(path);
}

/** Executable, and in the format of Linux's programs; shared libraries are executable at times, but called `.so`. */
async function isProgram(path: string): Promise<boolean> {
  if (/\.(so|o|a)(\.[0-9.]+)?$/.test(path)) return false;
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return false;
  try {
    if (((await file.stat()).mode & 0o111) === 0) return false;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString('latin1') === '\x7fELF';
  } finally {
    await file.close();
  }
}
