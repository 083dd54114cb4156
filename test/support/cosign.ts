import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { type Ran, run } from './cli.ts';
import { tempDir } from './temp.ts';

const INSTALL = 'go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3';

/** Whether cosign 3 is on the path. */
export function cosignIsThere(): boolean {
  try {
    return /GitVersion:\s+v?3\./.test(execFileSync('cosign', ['version'], { stdio: 'pipe' }).toString());
  } catch {
    return false;
  }
}

/** A block of tests with cosign 3; skipped with a line where it is not on the path, since not everybody reaches Go's module proxy. */
export function describeWithCosign(name: string, tests: () => void): void {
  if (cosignIsThere()) {
    describe(name, tests);
    return;
  }
  const reason = `needs cosign 3 (${INSTALL})`;
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skipIf(true)(`${name} (${reason})`, tests);
}

/** Runs cosign without its services: nothing but loopback is reached, and nothing of this user's is read. */
export function cosign(args: readonly string[], cwd: string, password = ''): Promise<Ran> {
  const home = tempDir();
  return run('cosign', args, {
    cwd,
    env: {
      HOME: home,
      TUF_ROOT: join(home, 'tuf'),
      COSIGN_PASSWORD: password,
      // Nobody listens there.
      HTTPS_PROXY: 'http://127.0.0.1:9',
      HTTP_PROXY: '',
    },
  });
}

/** A configuration for `cosign sign` that asks no log and no time stamp of anybody. */
export function offlineSigning(folder: string): readonly string[] {
  const file = join(folder, 'signing-config.json');
  writeFileSync(file, '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}');
  return ['--signing-config', file];
}
