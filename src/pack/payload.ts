import { posix } from 'node:path';
import type { Jar } from '../check/subject.ts';
import type { Entry } from '../layer/entry.ts';
import type { Context } from '../transports/context.ts';
import { additions, folderEntries } from './add.ts';
import type { Input } from './inputs.ts';
import type { PackRequest } from './request.ts';

/** What one platform's image is made of, before anything is written. */
export interface Payload {
  /** Files as asked for, with paths as the user wrote them, for each layer from the lowest. */
  readonly layers: readonly (readonly Entry[])[];
  /** What was packed, by its path in the image. */
  readonly place: string;
  /** Command that starts the program. */
  readonly entrypoint: readonly string[];
  /** Working folder that the payload itself suggests. */
  readonly workdir?: string | undefined;
  readonly jar?: Jar | undefined;
}

/** The files of an input and of `--add`, and how the program is started. */
export async function payloadOf(
  input: Input,
  name: string,
  request: PackRequest,
  context: Context,
): Promise<Payload> {
  const { created } = request;
  const { source } = input;
  const added = await additions(request.add, created, context.cwd);
  switch (source.kind) {
    case 'bundle': {
      const folder = request.dest ?? '/app';
      const { bundleProgram } = await import('./bundle-program.ts');
      const bundle = await bundleProgram(source.path, folder, name, request, context);
      const [place = folder] = bundle.entrypoint;
      return { ...bundle, layers: [[...bundle.entries, ...added]], place, workdir: folder };
    }
    case 'jar': {
      const folder = request.dest ?? '/app';
      const { jarPayload } = await import('./jar.ts');
      const options = { folder, name, mtime: created, signal: context.signal };
      const { layers, ...payload } = await jarPayload(source, options);
      return {
        ...payload,
        place: payload.jar.path,
        layers: [...layers.slice(0, -1), [...(layers.at(-1) ?? []), ...added]],
        workdir: folder,
      };
    }
    case 'folder': {
      const folder = request.dest ?? '/app';
      const entries = await folderEntries(source.path, folder, created);
      const files = new Set(entries.map(({ path }) => `/${path}`));
      const entrypoint = source.start.map((word) => {
        const path = posix.join(folder, word);
        return files.has(path) ? path : word;
      });
      return { layers: [[...entries, ...added]], place: folder, entrypoint, workdir: folder };
    }
    case 'program': {
      const dest = request.dest ?? `/usr/local/bin/${name}`;
      const { size, open, chunks, facts } = source;
      const owner = { uid: 0, gid: 0, mtime: created };
      const program: Entry = {
        path: dest.slice(1),
        type: 'file',
        mode: 0o755,
        ...owner,
        size,
        open,
        chunks,
        facts,
      };
      return { layers: [[program, ...added]], place: dest, entrypoint: [dest] };
    }
  }
}
