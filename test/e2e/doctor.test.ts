import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ocislim, root, succeeded } from '../support/cli.ts';
import { startRegistry } from '../support/docker-registry.ts';
import { fakeRegistry, putImage } from '../support/fake-registry.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

let env: NodeJS.ProcessEnv;
beforeEach(() => {
  env = { OCISLIM_HOME: join(tempDir(), 'store'), HOME: tempDir() };
});

describe('ocislim doctor', () => {
  it('tells of this machine alone where no registry is named', async () => {
    const printed = await succeeded(['doctor'], { env });
    expect(printed).toMatch(/^ok {7}ocislim .* on (Node|Bun) \d+/);
    expect(printed).toContain(env['OCISLIM_HOME']);
  });

  it('exits as a pull would, and prints one object with --json', async () => {
    const registry = await fakeRegistry({ auth: { kind: 'basic', username: 'me', password: 'secret-9' } });
    putImage(registry, 'me/app', '1');
    const refused = await ocislim(['doctor', `${registry.host}/me/app:1`], { env });
    expect(refused.code).toBe(5);
    expect(refused.stdout).toMatch(/^FAILED {3}pull .*not authorised to pull/m);
    expect(refused.stderr).toBe('');
    await registry.down();
    const unreachable = await ocislim(['doctor', `${registry.host}/me/app:1`, '--json'], { env });
    expect(unreachable.code).toBe(4);
    const { findings } = JSON.parse(unreachable.stdout) as { findings: { step: string; code?: string }[] };
    expect(findings.find(({ step }) => step === 'tls')?.code).toBe('OCISLIM_REGISTRY_UNREACHABLE');
    expect((await ocislim(['doctor', 'not a name'], { env })).code).toBe(2);
  });
});

describeWithPeers("ocislim doctor, of Debian's registry", ['docker-registry'], () => {
  it('finds that one may pull, push and mount', async () => {
    const registry = await startRegistry();
    try {
      const image = `${registry.host}/me/hello:1`;
      const program = join(root, 'testdata/hello');
      await succeeded(['pack', program, '-t', image, '--push'], { env });
      const printed = await succeeded(['doctor', image], { env });
      const lines = printed.trim().split('\n');
      expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
      expect(printed).toContain('registry/2.0');
    } finally {
      await registry.stop();
    }
  });
});
