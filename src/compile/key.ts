import { createHash } from 'node:crypto';
import { formatPlatform } from '#oci-spec-types';
import { fixedEnvironment } from './environment.ts';
import { fingerprint } from './fingerprint.ts';
import { SANDBOX_PLACES } from './places.ts';
import type { Wish } from './recipe.ts';
import type { Recognised } from './recognise.ts';

/** Raised when what a key stands for changes. */
const VERSION = 1;

export interface KeyOptions extends Omit<Wish, 'places'> {
  /** What compiles it: what tools of this machine say of themselves, or the digest of an image. */
  readonly compiler: { readonly host: string | undefined } | { readonly image: string };
  /** See {@link fingerprint}. */
  readonly memo?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What stands for the result of a compile, in hex: the same key, the same result. Whether it may download matters not.
 * @returns undefined where nobody can tell which toolchain it is, or what is read
 */
export async function compileKey(
  { source, recipe, program }: Recognised,
  { compiler, memo, signal, ...wish }: KeyOptions,
): Promise<string | undefined> {
  if (program.readsOutside || ('host' in compiler && !compiler.host)) return undefined;
  const { steps, cwd, env, artifact, kind, start } = program.plan({
    ...wish,
    places: SANDBOX_PLACES,
    offline: false,
  });
  const { files } = program;
  const { leavings } = recipe;
  const content = await fingerprint(source.folder, { files, leavings, memo, signal });
  const inputs = [
    ...[VERSION, recipe.name, program.name, formatPlatform(wish.platform), formatPlatform(wish.host)],
    ...[compiler, { steps, cwd, env: sorted(env), artifact, kind, start }],
    ...[sorted(fixedEnvironment(wish.created)), content],
  ];
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}

function sorted(env: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1));
}
