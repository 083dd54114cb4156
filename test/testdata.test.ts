import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from './support/cli.ts';
import { tempDir } from './support/temp.ts';

const testdata = fileURLToPath(new URL('../testdata', import.meta.url));
const programs = ['hello', 'hello-arm64'];

describe('the programs in testdata', () => {
  it('are, byte for byte, what their script makes, and executable', () => {
    const folder = tempDir();
    execFileSync(process.execPath, [join(testdata, 'make-hello.mjs'), folder]);
    for (const name of programs) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(testdata, name))), name).toBe(true);
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o755);
      expect(statSync(join(testdata, name)).mode & 0o100, name).toBe(0o100);
    }
  });

  it.runIf(process.platform === 'linux' && process.arch === 'x64')('print hello world: x86-64', async () => {
    expect(await run(join(testdata, 'hello'), [])).toMatchObject({
      code: 0,
      stdout: 'hello world\n',
      stderr: '',
    });
  });

  it.runIf(process.platform === 'linux' && process.arch === 'arm64')(
    'print hello world: AArch64',
    async () => {
      const ran = await run(join(testdata, 'hello-arm64'), []);
      expect(ran).toMatchObject({ code: 0, stdout: 'hello world\n', stderr: '' });
    },
  );
});
