import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { constants, Script } from 'node:vm';
import { storePath } from '../config/paths.ts';
import { VERSION } from '../version.ts';

/** Bytes before V8's data: its SHA-256, for V8 itself does not look for damage. */
const HEAD = 32;
/**
 * Milliseconds. A longer run has used parts of the program that a quick one does not, which would have to load them with
 * what it needs; and is not helped by what it would save itself.
 */
const QUICK = 1000;

/**
 * Loads a CommonJS file with what V8 compiled of it in an earlier run, and keeps what it compiles in this one. Node's own
 * compile cache is there from 22.1 on, and takes longer to load from.
 * @param file absolute path; ASCII alone
 * @param build what changes whenever the file does, since V8 compares no more than its length; undefined for no cache
 * @param folder that of {@link compiledFolder}; undefined for no cache
 * @returns what the file exports
 */
export function loadCompiled(file: string, build: string | undefined, folder: string | undefined): unknown {
  const require = createRequire(file);
  if (build === undefined || folder === undefined) return require(file);
  const kept = join(folder, `${process.version}-${process.arch}-${build}`);
  const cachedData = readKept(kept);
  // Not `performance`, which Node loads for the first who asks.
  const begun = Date.now();
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'latin1')}\n})`,
    {
      filename: file,
      ...(cachedData !== undefined && { cachedData }),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  );
  if (script.cachedDataRejected !== false)
    process.once('exit', () => {
      if (Date.now() - begun < QUICK) keep(kept, script);
    });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, require, module, file, dirname(file));
  return module.exports;
}

/** @returns undefined where nothing is kept, or what is kept is damaged */
function readKept(path: string): Buffer | undefined {
  try {
    const bytes = readFileSync(path);
    const data = bytes.subarray(HEAD);
    return bytes.subarray(0, HEAD).equals(digestOf(data)) ? data : undefined;
  } catch {
    return undefined;
  }
}

function keep(path: string, script: Script): void {
  try {
    const data = script.createCachedData();
    const pending = `${path}.${process.pid}`;
    writeFileSync(pending, Buffer.concat([digestOf(data), data]), { mode: 0o600 });
    renameSync(pending, path);
  } catch {
    // A store that cannot be written to: the next start takes as long as this one.
  }
}

function digestOf(data: Buffer): Buffer {
  return hash('sha256', data, 'buffer');
}

/**
 * A folder in the user's store, one for each command, since commands use different parts of the program. What lies there
 * is run, so only one will do that belongs to the user that runs this, and that nobody else may write to.
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
