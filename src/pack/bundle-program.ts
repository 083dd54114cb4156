import { basename } from 'node:path';
import { recogniseProgram } from '../elf/recognise.ts';
import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Context } from '../transports/context.ts';
import { readBundle } from './bundle.ts';
import type { PackRequest } from './request.ts';

/**
 * The files of a `.zip` under `folder`, and the one program among them. The program is the only one, or the one that
 * has the bundle's name; otherwise `--entrypoint` must say. It becomes executable even where the zip, written on
 * Windows perhaps, does not say so.
 * @throws OCISLIM_INPUT_INVALID
 */
export async function bundleProgram(
  path: string,
  folder: string,
  name: string,
  request: PackRequest,
  context: Context,
): Promise<{ entries: readonly Entry[]; entrypoint: readonly string[] }> {
  const files = await readBundle(path, {
    prefix: folder.slice(1),
    mtime: request.created,
    signal: context.signal,
  });
  const given = request.config.entrypoint;
  if (given !== undefined) return { entries: executable(files, given[0]), entrypoint: given };
  const programs: Entry[] = [];
  for (const file of files) if (await isProgram(file)) programs.push(file);
  const program =
    programs.length === 1 ? programs[0] : programs.find((entry) => basename(entry.path) === name);
  if (program === undefined) {
    const found = programs.map((entry) => `/${entry.path}`).slice(0, 10);
    throw new OcislimError(
      'OCISLIM_INPUT_INVALID',
      `${path}: ${found.length === 0 ? 'holds no program' : `holds several programs: ${found.join(', ')}`}`,
      { hint: 'say with --entrypoint which one starts' },
    );
  }
  const start = `/${program.path}`;
  return { entries: executable(files, start), entrypoint: [start] };
}

function executable(files: readonly Entry[], start: string | undefined): readonly Entry[] {
  return files.map((file) =>
    `/${file.path}` === start && file.type === 'file' ? { ...file, mode: file.mode | 0o111 } : file,
  );
}

async function isProgram(entry: Entry): Promise<boolean> {
  if (entry.type !== 'file' || entry.open === undefined) return false;
  const stream = await entry.open();
  try {
    for await (const chunk of stream) return recogniseProgram(chunk as Buffer) === 'elf';
    return false;
  } finally {
    stream.destroy();
  }
}
