import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ajv04 from 'ajv-draft-04';
import { beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, packed, root } from '../support/cli.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const SPEC = 'github.com/opencontainers/image-spec@v1.1.1';

describeWithPeers("every JSON document validates against image-spec's schemas", ['go'], () => {
  let check: (schema: string, document: unknown) => void;
  let folder: string;

  beforeAll(async () => {
    const downloaded = await must('go', ['mod', 'download', '-json', SPEC], {
      cwd: tempDir(),
      env: { GOFLAGS: '-mod=mod' },
    });
    const schemas = join((JSON.parse(downloaded) as { Dir: string }).Dir, 'schema');
    const ajv = new ajv04.default({ strict: false, validateFormats: false });
    for (const name of readdirSync(schemas).filter((file) => file.endsWith('.json'))) {
      // The schemas refer to each other by file name; their ids, of a site that is gone, would be in the way.
      const schema = JSON.parse(readFileSync(join(schemas, name), 'utf8'), (key, value) =>
        key === 'id' && typeof value === 'string' ? undefined : value,
      );
      ajv.addSchema(schema, name);
    }
    check = (schema, document) => {
      const valid = ajv.validate(schema, document);
      expect({ schema, errors: valid ? [] : ajv.errors }).toEqual({ schema, errors: [] });
    };
    folder = tempDir();
    mkdirSync(join(folder, 'dist'));
    copyFileSync(join(root, 'testdata/hello'), join(folder, 'dist/hello-linux-amd64'));
    copyFileSync(join(root, 'testdata/hello-arm64'), join(folder, 'dist/hello-linux-arm64'));
    const [amd64] = alpineBases();
    if (amd64 === undefined) throw new Error('no base');
    writeBaseLayout(join(folder, 'alpine'), amd64);
  });

  it('knows a wrong document from a right one', () => {
    expect(() => check('image-manifest-schema.json', { schemaVersion: 1 })).toThrow();
  });

  it.each([
    ['a packed index', ['dist/hello-{os}-{arch}']],
    [
      'everything that can be said of an image',
      [
        'dist/hello-linux-amd64',
        '--base',
        'oci:alpine',
        '--entrypoint',
        '["/usr/local/bin/hello-linux-amd64","-v"]',
        '--cmd',
        'x',
        '-e',
        'A=1',
        '-u',
        '1000:1000',
        '-w',
        '/tmp',
        '-l',
        'a=b',
        '--annotation',
        'c=d',
        '--expose',
        '80',
        '--expose',
        '53/udp',
        '--volume',
        '/data',
        '--stop-signal',
        'SIGINT',
        '--compression',
        'zstd',
      ],
    ],
    ['an image from nothing', ['dist/hello-linux-amd64', '--base', 'scratch', '--compression', 'none']],
  ])('%s', async (name, args) => {
    const out = `${name.replaceAll(' ', '-')}.oci`;
    await packed(['pack', ...args, '-t', 'hello:1', '-o', `oci:${out}`], {
      cwd: folder,
      env: { OCISLIM_HOME: tempDir() },
    });
    const read = (path: string) => JSON.parse(readFileSync(join(folder, out, path), 'utf8'));
    const blob = (digest: string) => read(`blobs/${digest.replace(':', '/')}`);
    check('image-layout-schema.json', read('oci-layout'));
    check('image-index-schema.json', read('index.json'));
    let images = 0;
    const visit = (descriptor: { mediaType: string; digest: string }) => {
      check('content-descriptor.json', descriptor);
      const document = blob(descriptor.digest);
      if (descriptor.mediaType.includes('index')) {
        check('image-index-schema.json', document);
        document.manifests.forEach(visit);
        return;
      }
      check('image-manifest-schema.json', document);
      check('config-schema.json', blob(document.config.digest));
      images++;
    };
    read('index.json').manifests.forEach(visit);
    expect(images).toBe(name === 'a packed index' ? 2 : 1);
  });
});
