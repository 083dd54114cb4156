import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Image } from '../image/model.ts';
import type { Entry } from '../layer/entry.ts';
import { tarStream } from '../layer/tar-writer.ts';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { familiarReference, type Reference } from '../registry/reference.ts';
import { Archive } from './archive.ts';
import type { Context } from './context.ts';
import { readImageArchive } from './read-archive.ts';

/** A local engine, reached by its own command, which knows its sockets, contexts and permissions best. */
export type Engine = 'docker-daemon' | 'podman';

const COMMANDS: Readonly<Record<Engine, string>> = { 'docker-daemon': 'docker', podman: 'podman' };

/** The engine that `--load` means: docker where its daemon answers, else podman. @throws OCISLIM_ENGINE_FAILED */
export async function detectEngine(context: Context): Promise<Engine> {
  const tried: string[] = [];
  for (const engine of ['docker-daemon', 'podman'] as const) {
    try {
      await runEngine(engine, ['version'], context, {});
      return engine;
    } catch (error) {
      context.signal.throwIfAborted();
      if (error instanceof OcislimError) tried.push(error.message);
    }
  }
  throw new OcislimError('OCISLIM_ENGINE_FAILED', `no engine to load the image into (${tried.join('; ')})`, {
    hint: 'start docker or podman, or write a file with -o docker-archive:FILE',
  });
}

/** Gives an image to an engine, as `docker load` does. @throws OCISLIM_ENGINE_FAILED with the engine's own words */
export async function loadIntoEngine(
  engine: Engine,
  entries: readonly Entry[],
  context: Context,
): Promise<void> {
  const archive = tarStream(entries, { signal: context.signal });
  await runEngine(engine, ['load'], context, { input: archive });
}

/** The image of that name in an engine, as `docker save` gives it. */
export async function readFromEngine(engine: Engine, reference: Reference, context: Context): Promise<Image> {
  const path = await context.store.temporaryFile();
  removeOnInterrupt(path);
  const name = familiarReference(reference);
  const format = engine === 'podman' ? ['--format', 'docker-archive'] : [];
  await runEngine(engine, ['save', ...format, name], context, {
    output: createWriteStream(path, { mode: 0o600 }),
  });
  const archive = await Archive.open(path, `${engine}:${name}`, context);
  const { artifact } = await readImageArchive(archive, undefined, context.signal);
  if (artifact.kind === 'image') return artifact;
  throw new OcislimError('OCISLIM_ENGINE_FAILED', `${engine}:${name}: the engine saved no image`);
}

async function runEngine(
  engine: Engine,
  args: readonly string[],
  { signal, env }: Context,
  { input, output }: { readonly input?: Readable; readonly output?: Writable },
): Promise<void> {
  const command = COMMANDS[engine];
  const child = spawn(command, args, { env, signal, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  // An engine that refuses closes its input early; what it says then is the error worth showing.
  const fed = input === undefined ? child.stdin.end() : pipeline(input, child.stdin);
  const feeding = Promise.resolve(fed).catch((error: unknown) => {
    if (systemCode(error) !== 'EPIPE') throw error;
  });
  const taking = output === undefined ? child.stdout.resume() : pipeline(child.stdout, output);
  try {
    const [[code]] = await Promise.all([once(child, 'close'), feeding, taking]);
    if (code !== 0) throw failed(engine, said.trim().split('\n').at(-1) ?? `exit ${String(code)}`);
  } catch (error) {
    child.kill();
    signal.throwIfAborted();
    if (systemCode(error) === 'ENOENT') throw failed(engine, `${command} is not installed`);
    throw error;
  }
}

function failed(engine: Engine, why: string): OcislimError {
  return new OcislimError('OCISLIM_ENGINE_FAILED', `${COMMANDS[engine]}: ${why}`);
}
