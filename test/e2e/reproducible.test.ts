import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { packed, type RunOptions, root } from '../support/cli.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const COMPRESSIONS = ['gzip', 'zstd', 'none'];

/** Packs the same program the same way in a fresh folder; returns the digests that came out. */
async function digests(
  options: RunOptions & { touch?: number } = {},
  more: readonly string[] = [],
): Promise<string[]> {
  const folder = tempDir();
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  mkdirSync(join(folder, 'files/sub'), { recursive: true });
  for (const name of ['b', 'a', 'Z', 'ä', 'sub/x'])
    copyFileSync(join(root, 'testdata/hello'), join(folder, 'files', name));
  if (options.touch !== undefined) utimesSync(join(folder, 'hello'), options.touch, options.touch);
  const [amd64] = alpineBases();
  if (amd64 === undefined) throw new Error('no base');
  writeBaseLayout(join(folder, 'alpine'), amd64);
  const results: string[] = [];
  for (const base of ['static', 'oci:alpine'])
    for (const compression of COMPRESSIONS) {
      const args = [
        'pack',
        'hello',
        '--base',
        base,
        '--compression',
        compression,
        '-t',
        'r:1',
        '--add',
        'files:/files',
      ];
      const archive = join(folder, `${results.length}.tar`);
      const result = await packed([...args, '-o', archive, ...more], {
        ...options,
        cwd: folder,
        env: { OCISLIM_HOME: tempDir(), ...options.env },
      });
      const { sha256 } = await import('#oci-spec-types');
      results.push(result.digest, sha256(readFileSync(archive)));
    }
  return results;
}

let expected: Promise<string[]> | undefined;
const reference = () => {
  expected ??= digests();
  return expected;
};

describe('the same inputs give the same digest', () => {
  it('again, from another folder and a file of another age', async () => {
    expect(await digests({ touch: 1_000_000_000 })).toEqual(await reference());
  });

  it('under another locale and time zone', async () => {
    const env = { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8', TZ: 'Pacific/Kiritimati' };
    expect(await digests({ env })).toEqual(await reference());
  });

  it('with SOURCE_DATE_EPOCH, which the times then follow', async () => {
    const epoch = { SOURCE_DATE_EPOCH: '1700000000' };
    const first = await digests({ env: epoch });
    expect(first).not.toEqual(await reference());
    expect(await digests({ env: epoch })).toEqual(first);
    expect(await digests({}, ['--created', '2023-11-14T22:13:20Z'])).toEqual(first);
  });

  it.each(['gzip', 'zstd'])(
    'with any number of workers, for a program that is large enough for them, in %s',
    async (kind) => {
      const folder = tempDir();
      const program = readFileSync(join(root, 'testdata/hello'));
      writeFileSync(
        join(folder, 'large'),
        Buffer.concat([program, randomBytes(8e6), Buffer.alloc(8e6, program)]),
      );
      const found = [];
      for (const OCISLIM_WORKERS of ['0', '1', '2', '4']) {
        const env = { OCISLIM_HOME: tempDir(), OCISLIM_WORKERS };
        found.push(
          (
            await packed(
              [
                'pack',
                'large',
                '--compression',
                kind,
                '-t',
                'r:1',
                '-o',
                `oci:${join(folder, `out-${OCISLIM_WORKERS}`)}`,
              ],
              { cwd: folder, env },
            )
          ).digest,
        );
      }
      expect(new Set(found).size).toBe(1);
    },
  );
});

describeWithPeers('the same inputs give the same digest under another umask', ['bash'], () => {
  it.each(['000', '077'])('%s', async (umask) => {
    expect(await digests({ wrap: ['bash', '-c', `umask ${umask}; exec "$@"`, 'bash'] })).toEqual(
      await reference(),
    );
  });
});

describeWithPeers('the same inputs give the same digest', ['taskset'], () => {
  it('on one core', async () => {
    expect(await digests({ wrap: ['taskset', '-c', '0'] })).toEqual(await reference());
  });
});

const nodes = (process.env['OCISLIM_TEST_NODES'] ?? '').split(':').filter(Boolean);
describeWithPeers(
  'the same inputs give the same digest on every Node',
  [],
  () => {
    it.each(nodes)('%s', async (node) => {
      expect(await digests({ node })).toEqual(await reference());
    });
  },
  {
    met: nodes.length > 0,
    need: 'binaries of other versions of Node in OCISLIM_TEST_NODES, separated by colons',
  },
);
