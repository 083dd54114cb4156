import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Set<string>();

/** A fresh folder that is removed when the test file ends. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'ocislim-test-'));
  made.add(path);
  return path;
}

export function removeTempDirs(): void {
  for (const path of made) rmSync(path, { recursive: true, force: true });
  made.clear();
}
