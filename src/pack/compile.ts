import type { Recognised } from '../compile/recognise.ts';
import { findSource } from '../compile/source.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Context } from '../transports/context.ts';
import { findInputs, type Inputs, isPattern } from './inputs.ts';
import type { CompileRequest, PackRequest } from './request.ts';

/** What is to be packed, compiled where it was source. */
export type FoundInputs = Inputs & {
  /** Image that has what the program needs to run, where it is one of a language that needs some. */
  readonly runsOn?: string | undefined;
  /** Where it was compiled, if it was; libraries that it needs are there. */
  readonly compiledIn?: string | undefined;
  /** What was compiled, if it was, and what its compilers say of themselves. */
  readonly compiled?:
    | { readonly recognised: Recognised; readonly toolchain?: string | undefined }
    | undefined;
  /** Takes away what was compiled and is not kept. */
  dispose(): Promise<void>;
};

/** Finds what a request's path means, and compiles it for each platform where it is source. */
export async function findOrCompile(request: PackRequest, context: Context): Promise<FoundInputs> {
  const { path, platforms, compile } = request;
  const source = isPattern(path) ? undefined : await findSource(path, context.cwd);
  if (source !== undefined) {
    // Recipes and sandboxes are loaded for source alone.
    const { compileSource } = await import('./compile-source.ts');
    return compileSource(source, request, context);
  }
  requireNothingToCompile(path, compile);
  return { ...(await findInputs(path, platforms, context.cwd)), dispose: async () => {} };
}

function requireNothingToCompile(path: string, { build, recipe, bin }: CompileRequest): void {
  const option = build !== undefined ? '--build' : recipe !== undefined ? '--recipe' : bin && '--bin';
  if (option === undefined) return;
  throw new OcislimError('OCISLIM_USAGE', `${option}: ${path} is no source that could be compiled`, {
    hint: 'give the folder of the source',
  });
}
