import type { BuildRequest } from '../build/request.ts';
import { type BuildOptions, buildRequestOf } from '../commands/build-settings.ts';
import { requestOf } from '../commands/settings.ts';
import type { PackSettings } from '../config/settings.ts';
import type { PackRequest } from '../pack/request.ts';
import type { Signer } from '../pack/sign.ts';

/**
 * Options of `pack` by the names that `ocislim.toml` has for them, in camel case: `checkIgnore`, `withLibs`; but for what a
 * context or a command line is for.
 */
export interface PackRequestSettings
  extends Partial<
    Omit<
      PackSettings,
      | ('path' | 'mirror' | 'insecure' | 'caFile' | 'store' | 'offline' | 'locked' | 'sign')
      | ('quiet' | 'verbose' | 'json' | 'progress' | 'digestFile' | 'metadataFile')
    >
  > {
  /** Source, a program, a `.jar`, a `.zip`, or a pattern with `{os}`, `{arch}` and `{variant}`. */
  readonly path: string;
  /** Push to the repositories of the tags under the digest alone. */
  readonly pushByDigest?: boolean;
  /** Say what would be done, and write nothing. */
  readonly dryRun?: boolean;
  readonly sign?: Signer;
}

/**
 * A whole request for `pack`, and for `checkProgram`, from the few settings that matter; all else is as on the command line.
 * @param env where `SOURCE_DATE_EPOCH` is looked for
 * @throws OCISLIM_USAGE and OCISLIM_PLATFORM_INVALID for values that the command line refuses, too
 */
export function packRequest(
  { dryRun = false, sign, ...settings }: PackRequestSettings,
  env: NodeJS.ProcessEnv = process.env,
): PackRequest {
  return { ...requestOf({ ...settings, dryRun }, env), sign };
}

/** Options of `build` by their names on the command line, in camel case: `buildArg: ['VERSION=1']`, `cacheFrom`. */
export interface BuildRequestSettings
  extends Omit<BuildOptions, 'sign' | 'locked' | 'digestFile' | 'metadataFile'> {
  /** A folder, `-` for standard input, or the URL of a git repository. */
  readonly context: string;
  readonly sign?: Signer;
}

/**
 * A whole request for `build`, from the few settings that matter; all else is as on the command line.
 * @param env where `SOURCE_DATE_EPOCH`, arguments without a value and the ssh agent are looked for
 * @throws OCISLIM_USAGE and OCISLIM_PLATFORM_INVALID for values that the command line refuses, too
 */
export function buildRequest(
  { context, sign, ...options }: BuildRequestSettings,
  env: NodeJS.ProcessEnv = process.env,
): BuildRequest {
  return { ...buildRequestOf(context, options, env), sign };
}
