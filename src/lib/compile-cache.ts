import { mkdirSync, statSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { storePath } from '../config/paths.ts';
import { VERSION } from '../version.ts';

/** Has Node, from 22.1 on, keep what it compiles of this program for the next start. */
export function keepCompiled(argv: readonly string[], env: NodeJS.ProcessEnv): void {
  const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown };
  const folder = enableCompileCache === undefined ? undefined : compiledFolder(argv, env);
  if (folder !== undefined) enableCompileCache?.(folder);
}

/**
 * A folder in the user's store, one for each command, since commands use different parts of the program. Node runs what
 * it finds there, so only one will do that belongs to the user that runs this, and that nobody else may write to.
 * @returns undefined where there is none, or no store yet: whether there will be one is for the command to say
 */
export function compiledFolder(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  user: number | undefined = process.geteuid?.(),
): string | undefined {
  try {
    const store = storePath({ env });
    if (!isOwn(store, user)) return undefined;
    const folder = join(store, 'code', VERSION, /^[a-z]{1,12}$/.exec(argv[0] ?? '')?.[0] ?? 'other');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return isOwn(folder, user) ? folder : undefined;
  } catch {
    return undefined;
  }
}

function isOwn(folder: string, user: number | undefined): boolean {
  const { uid, mode } = statSync(folder);
  return uid === user && (mode & 0o022) === 0;
}
