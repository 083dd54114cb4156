import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import { OcislimError } from '../../src/lib/errors.ts';
import { pack } from '../../src/pack/pack.ts';
import { Store } from '../../src/store/store.ts';
import { chaosTo } from '../support/chaos.ts';
import { testContext } from '../support/context.ts';
import { elfProgram } from '../support/elf.ts';
import { file } from '../support/entries.ts';
import { type FakeRegistry, fakeRegistry } from '../support/fake-registry.ts';
import { imageOf } from '../support/images.ts';
import { Random } from '../support/random.ts';
import { registryClient } from '../support/registry-client.ts';
import { requestFor } from '../support/request.ts';
import { noise, onDisk, putArtifact } from '../support/scene.ts';
import { tempDir } from '../support/temp.ts';

/** Some run each time, more in CI; a thousand make a campaign. */
const RUNS = Number(process.env['OCISLIM_TEST_CAMPAIGN'] ?? 20);
const FIRST_SEED = Number(process.env['OCISLIM_TEST_SEED'] ?? 1);
const BATCH = 50;

/** A base of two layers, in a registry that is reached in another way each run. */
async function setup() {
  const registry = await fakeRegistry();
  const base = await imageOf({
    layers: [[file('base', noise(300_000))], [file('more', noise(50_000, 'more'))]],
    compression: 'none',
  });
  await putArtifact(registry, 'base', '1', base);
  const folder = tempDir();
  writeFileSync(join(folder, 'hello'), Buffer.concat([elfProgram(), noise(200_000, 'program')]));
  return { registry, folder };
}

async function run(folder: string, root: string, repository: string, host: string) {
  const client = registryClient({
    mirrors: { 'registry.example': [`http://${host}`] },
    timeouts: { silence: 2_000 },
  });
  const context = await testContext({
    store: await Store.open(root),
    registry: async () => client,
    cwd: folder,
  });
  try {
    const request = requestFor(join(folder, 'hello'), {
      base: `${host}/base:1`,
      tags: [`${host}/${repository}:1`],
      push: true,
      compression: { kind: 'none' },
    });
    return await pack(request, context);
  } finally {
    await client.close();
    await context.store.close();
  }
}

/** What the registry has under the tag, with everything it names, recomputed from bytes. */
function expectPushed(registry: FakeRegistry, repository: string, digest: string) {
  const raw = registry.manifests.get(`${repository}:1`)?.raw;
  if (raw === undefined) throw new Error('the tag is not there');
  expect(sha256(raw)).toBe(digest);
  const { config, layers } = JSON.parse(raw.toString()) as Record<'config', { digest: string }> & {
    layers: { digest: string; size: number }[];
  };
  for (const each of [config, ...layers]) {
    const bytes = registry.blobs.get(`${repository}@${each.digest}`);
    expect(bytes && sha256(bytes)).toBe(each.digest);
  }
}

describe(`${RUNS} runs of pack and push on a bad way`, () => {
  for (let batch = FIRST_SEED; batch < FIRST_SEED + RUNS; batch += BATCH) {
    const end = Math.min(batch + BATCH, FIRST_SEED + RUNS);
    it(`seeds ${batch} to ${end - 1}: each succeeds, or fails clearly and leaves all in order`, async () => {
      const { registry, folder } = await setup();
      const outcomes = { succeeded: 0, failed: 0 };
      for (let seed = batch; seed < end; seed++) {
        const random = new Random(seed);
        const { host, done } = await chaosTo(registry.host, random, 0.1 + 0.5 * random.next());
        const [root, repository] = [tempDir(), `run-${seed}`];
        const what = () => `seed ${seed}: ${done.join(', ')}`;
        let digest: string | undefined;
        try {
          ({ digest } = await run(folder, root, repository, host));
          outcomes.succeeded++;
          expectPushed(registry, repository, digest);
        } catch (error) {
          if (!(error instanceof OcislimError)) throw new Error(what(), { cause: error });
          expect([4, 5], `${what()}: ${error.message}`).toContain(error.exitCode);
          outcomes.failed++;
        }
        const { tmp, damaged } = onDisk(root);
        expect({ tmp, damaged }, what()).toEqual({ tmp: [], damaged: 0 });
        // The same store, a good way.
        const next = await run(folder, root, repository, registry.host);
        expectPushed(registry, repository, next.digest);
        expect(onDisk(root).partial, what()).toEqual([]);
      }
      // Else it would be no campaign, or no tool.
      expect(outcomes.succeeded).toBeGreaterThan(0);
      expect(outcomes.failed).toBeGreaterThan(0);
    }, 600_000);
  }
});
