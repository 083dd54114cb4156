import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Set<string>();
const forgetting: (() => void)[] = [];

/** A fresh folder that is removed when the test file ends. */
export function tempDir(): string {
  const path = mkdtempSync(join(tmpdir(), 'ocislim-test-'));
  made.add(path);
  return path;
}

/** Has `forget` called whenever temporary folders were removed; for what one file makes in them and the next would find gone. */
export function onTempRemoved(forget: () => void): void {
  forgetting.push(forget);
}

export function removeTempDirs(): void {
  for (const path of made) rmSync(path, { recursive: true, force: true });
  made.clear();
  for (const forget of forgetting) forget();
}
