import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a program of the host is, by its `PATH`; undefined where it is not installed. */
export async function which(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const path = join(folder || '.', name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
