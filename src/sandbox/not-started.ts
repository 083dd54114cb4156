import { OcislimError, systemCode } from '../lib/errors.ts';

/** What is said of a program that the system did not start (execve(2)). */
export function notStarted(file: string, error: Error): OcislimError {
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'it is not installed',
    EACCES: 'it may not be executed, as where its file system is mounted noexec',
  };
  return new OcislimError(
    'OCISLIM_SANDBOX_FAILED',
    `${file}: ${why[systemCode(error) ?? ''] ?? error.message}`,
    {
      cause: error,
    },
  );
}
