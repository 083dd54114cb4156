/**
 * The one error class of ocislim. Every failure a user can meet carries a stable code, an exit code, a message
 * that names the thing, and where there is one a remedy.
 */

/** Exit codes of the command line; see docs/cli.md. */
export const ExitCode = {
  Done: 0,
  Failed: 1,
  Usage: 2,
  Compile: 3,
  Network: 4,
  Unauthorized: 5,
  Check: 6,
  Interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Every stable error code, with the exit code it stands for. */
export const ERROR_CODES = {
  OCISLIM_FAILED: ExitCode.Failed,
  OCISLIM_INTERNAL: ExitCode.Failed,
  OCISLIM_INTERRUPTED: ExitCode.Interrupted,
  OCISLIM_USAGE: ExitCode.Usage,
  OCISLIM_CONFIG_INVALID: ExitCode.Usage,
  OCISLIM_DOCKERFILE_INVALID: ExitCode.Usage,
  OCISLIM_LOCK_MISSING: ExitCode.Usage,
  OCISLIM_REFERENCE_INVALID: ExitCode.Usage,
  OCISLIM_DIGEST_INVALID: ExitCode.Failed,
  OCISLIM_PLATFORM_INVALID: ExitCode.Usage,
  OCISLIM_PLATFORM_UNAVAILABLE: ExitCode.Failed,
  OCISLIM_INPUT_NOT_FOUND: ExitCode.Usage,
  OCISLIM_INPUT_INVALID: ExitCode.Usage,
  OCISLIM_INPUT_CHANGED: ExitCode.Failed,
  OCISLIM_ARCHIVE_INVALID: ExitCode.Failed,
  OCISLIM_DOCUMENT_INVALID: ExitCode.Failed,
  OCISLIM_DIGEST_MISMATCH: ExitCode.Failed,
  OCISLIM_SIZE_MISMATCH: ExitCode.Failed,
  OCISLIM_NOT_FOUND: ExitCode.Failed,
  OCISLIM_OUTPUT_INVALID: ExitCode.Failed,
  OCISLIM_DISK_FULL: ExitCode.Failed,
  OCISLIM_NOT_WRITABLE: ExitCode.Failed,
  OCISLIM_ENGINE_FAILED: ExitCode.Failed,
  OCISLIM_TOOLCHAIN_MISSING: ExitCode.Compile,
  OCISLIM_COMPILE_FAILED: ExitCode.Compile,
  OCISLIM_STEP_FAILED: ExitCode.Compile,
  OCISLIM_MANIFEST_UNKNOWN: ExitCode.Network,
  OCISLIM_BLOB_UNKNOWN: ExitCode.Network,
  OCISLIM_REGISTRY_UNREACHABLE: ExitCode.Network,
  OCISLIM_REGISTRY_NOT_TLS: ExitCode.Network,
  OCISLIM_REGISTRY_TLS: ExitCode.Network,
  OCISLIM_REGISTRY_BLOCKED: ExitCode.Network,
  OCISLIM_REGISTRY_MISMATCH: ExitCode.Network,
  OCISLIM_REGISTRY_FAILED: ExitCode.Network,
  OCISLIM_RATE_LIMITED: ExitCode.Network,
  OCISLIM_UNAUTHORIZED: ExitCode.Unauthorized,
  OCISLIM_SANDBOX_UNAVAILABLE: ExitCode.Failed,
  OCISLIM_SANDBOX_FAILED: ExitCode.Failed,
  OCISLIM_CHECK_FAILED: ExitCode.Check,
  OCISLIM_KEY_INVALID: ExitCode.Usage,
  OCISLIM_SIGNATURE_INVALID: ExitCode.Check,
  OCISLIM_VERIFY_FAILED: ExitCode.Check,
} as const satisfies Record<string, ExitCode>;
export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetail {
  /** What the user can do about it; one line. */
  readonly hint?: string | undefined;
  /** The lines of a file that it is about, with a mark below; shown as they are. */
  readonly excerpt?: readonly string[] | undefined;
  readonly cause?: unknown;
  /** What a check has found, as `--json` prints it. */
  readonly check?: readonly object[] | undefined;
  /** The last lines of what a failed program printed, as `--json` prints them. */
  readonly output?: readonly string[] | undefined;
}

export class OcislimError extends Error {
  override readonly name = 'OcislimError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly excerpt: readonly string[];
  readonly check: readonly object[];
  readonly output: readonly string[] | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.hint = detail.hint;
    this.excerpt = detail.excerpt ?? [];
    this.check = detail.check ?? [];
    this.output = detail.output;
  }

  get exitCode(): ExitCode {
    return ERROR_CODES[this.code];
  }

  /** The same failure seen from further out: `prefix: message`, unless it names that already. Code, hint and cause stay. */
  within(prefix: string): OcislimError {
    if (this.message.startsWith(prefix)) return this;
    return new OcislimError(this.code, `${prefix}: ${this.message}`, {
      hint: this.hint,
      excerpt: this.excerpt,
      check: this.check,
      output: this.output,
      cause: this,
    });
  }
}

/** The `code` of a Node system error (`ENOENT`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** True for the error an `AbortSignal` raises, however deep in the chain of causes. */
export function isAbort(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at.name === 'AbortError' || (at instanceof OcislimError && at.code === 'OCISLIM_INTERRUPTED'))
      return true;
  }
  return false;
}

/**
 * Runs `work`, and prefixes what it throws with the thing it was about, so that the message says "base alpine: …".
 */
export async function within<T>(prefix: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OcislimError ? error.within(prefix) : error;
  }
}
