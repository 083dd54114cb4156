import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { basename, join, posix, resolve } from 'node:path';
import type { Entry } from '../layer/entry.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { unchangedContent } from './inputs.ts';

interface Addition {
  readonly source: string;
  /** Absolute path in the image. */
  readonly dest: string;
  readonly mode: number | undefined;
}

/**
 * Parses `SRC:DST[:MODE]`; a DST that ends in `/` is a folder to put SRC into. MODE is octal.
 * @throws OCISLIM_USAGE
 */
export function parseAddition(text: string): Addition {
  const wrong = (why: string) =>
    new OcislimError('OCISLIM_USAGE', `--add ${text}: ${why}`, {
      hint: '--add ./config.json:/etc/app/config.json:0640',
    });
  const found = /^(?<source>.+?):(?<dest>\/[^:]*)(?::(?<mode>[^:]*))?$/s.exec(text);
  const { source, dest, mode } = found?.groups ?? {};
  if (source === undefined || dest === undefined)
    throw wrong('must be SRC:/DST[:MODE], with an absolute DST');
  if (mode !== undefined && !/^0?[0-7]{3,4}$/.test(mode)) throw wrong(`mode ${mode} is not octal`);
  const target = dest.endsWith('/') ? posix.join(dest, basename(source)) : dest;
  return { source, dest: imagePath(target), mode: mode === undefined ? undefined : Number.parseInt(mode, 8) };
}

/** An absolute path of the image in its shortest form. @throws OCISLIM_USAGE */
export function imagePath(path: string): string {
  if (!path.startsWith('/')) {
    throw new OcislimError('OCISLIM_USAGE', `${path}: a path in the image must begin with /`);
  }
  const clean = posix.normalize(path).replace(/\/$/, '');
  if (clean === '' || clean.includes('\0'))
    throw new OcislimError('OCISLIM_USAGE', `${path}: not the path of a file`);
  return clean;
}

/**
 * The entries that `--add` options ask for. Folders are taken whole, links stay links, and permissions become 0755
 * for what anyone may execute and 0644 otherwise, so that the umask of a checkout does not reach the digest.
 */
export async function additions(options: readonly string[], mtime: number, cwd: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const option of options) {
    const { source, dest, mode } = parseAddition(option);
    const full = resolve(cwd, source);
    const found = await stat(full).catch((error: unknown) => {
      throw systemCode(error) === 'ENOENT'
        ? new OcislimError('OCISLIM_INPUT_NOT_FOUND', `--add ${source}: no such file or folder`)
        : error;
    });
    await collect({ full, shown: source, path: dest.slice(1), found, mode, mtime }, entries);
  }
  return entries;
}

/** A folder and all that is in it, as `dest` of the image. */
export async function folderEntries(folder: string, dest: string, mtime: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const found = await stat(folder);
  await collect({ full: folder, shown: folder, path: dest.slice(1), found, mode: undefined, mtime }, entries);
  return entries;
}

interface Item {
  readonly full: string;
  readonly shown: string;
  readonly path: string;
  readonly found: Stats;
  readonly mode: number | undefined;
  readonly mtime: number;
}

async function collect(item: Item, entries: Entry[]): Promise<void> {
  const { full, shown, path, found, mode, mtime } = item;
  if (path.split('/').some((part) => part.startsWith('.wh.'))) {
    throw new OcislimError('OCISLIM_INPUT_INVALID', `--add ${shown}: /${path} would take a file away`, {
      hint: 'in a layer a name that begins with .wh. is a whiteout (image-spec layer.md)',
    });
  }
  const owner = { uid: 0, gid: 0, mtime };
  if (found.isDirectory()) {
    entries.push({ path, type: 'directory', mode: 0o755, ...owner });
    for (const name of (await namesIn(full, shown)).sort()) {
      const child = join(full, name);
      await collect(
        {
          ...item,
          full: child,
          shown: join(shown, name),
          path: `${path}/${name}`,
          found: await lstat(child),
        },
        entries,
      );
    }
  } else if (found.isSymbolicLink()) {
    entries.push({ path, type: 'symlink', mode: 0o777, linkname: await readlink(full), ...owner });
  } else if (found.isFile()) {
    entries.push({
      path,
      type: 'file',
      mode: mode ?? ((found.mode & 0o111) === 0 ? 0o644 : 0o755),
      size: found.size,
      ...unchangedContent(shown, full, found),
      ...owner,
    });
  } else {
    throw new OcislimError('OCISLIM_INPUT_INVALID', `--add ${shown}: neither a file nor a folder nor a link`);
  }
}

/** Names of a folder; Node gives those that are no UTF-8 in a form that leads nowhere. */
async function namesIn(full: string, shown: string): Promise<string[]> {
  const names = await readdir(full, { encoding: 'buffer' });
  return names.map((name) => {
    if (isUtf8(name)) return name.toString('utf8');
    const what = JSON.stringify(name.toString('latin1'));
    throw new OcislimError('OCISLIM_INPUT_INVALID', `--add ${shown}: the name ${what} in it is not UTF-8`, {
      hint: 'rename it; names in an image are UTF-8',
    });
  });
}
