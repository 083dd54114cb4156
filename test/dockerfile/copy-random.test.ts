import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planCopy } from '../../src/dockerfile/copy.ts';
import type { CopyRequest } from '../../src/dockerfile/copy-request.ts';
import { readToc } from '../../src/layer/read-toc.ts';
import { tarStream } from '../../src/layer/tar-writer.ts';
import { OcislimError } from '../../src/lib/errors.ts';
import { imageOf, type Things, treeOf } from '../support/file-trees.ts';

const part = fc.constantFrom('a', 'b', 'c', 'd');
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const way = fc
  .tuple(
    fc.constantFrom('', '/', './', '../', '/../'),
    fc.array(fc.constantFrom('a', 'b', 'c', 'd', '..', '.', '*', '?', '[ab]', '**'), { maxLength: 4 }),
    fc.constantFrom('', '/', '/.'),
  )
  .map(([start, parts, end]) => `${start}${parts.join('/')}${end}` || '.');
const thing = fc.oneof(
  fc.constant('text'),
  fc.constant({ type: 'directory' } as const),
  fc.constantFrom('/', '..', '../../..', 'a', '/b/c', 'd/..', '/etc', 'none').map((to) => `-> ${to}`),
);
const things: fc.Arbitrary<Things> = fc.dictionary(path, thing, { maxKeys: 10 });

const request: fc.Arbitrary<CopyRequest> = fc.record({
  kind: fc.constantFrom('copy', 'add'),
  sources: fc.array(way, { minLength: 1, maxLength: 3 }),
  destination: way.map((text) => text.replaceAll(/[*?[\]]/g, 'd')),
  workdir: fc.constantFrom('/', '/a', '/a/b'),
  chmod: fc.constantFrom(undefined, '700', 'a+rX'),
  chown: fc.constantFrom(undefined, '1:2'),
  link: fc.boolean(),
  parents: fc.boolean(),
  exclude: fc.array(fc.constantFrom('a', '**/b', '!c', 'a/*'), { maxLength: 2 }),
  created: fc.constant(1),
});

describe('whatever is asked for', () => {
  it('each entry is inside, once, with its folders before it, and never behind a link', async () => {
    let planned = 0;
    await fc.assert(
      fc.asyncProperty(request, things, things, async (asked, source, base) => {
        const image = imageOf(base);
        const entries = await planCopy(asked, treeOf(source), image).catch((error: unknown) => {
          expect(error).toBeInstanceOf(OcislimError);
          expect((error as OcislimError).code).toMatch(/^OCISLIM_INPUT_/);
          return [];
        });
        planned += Math.sign(entries.length);
        const types = new Map(entries.map((entry) => [entry.path, entry.type]));
        expect(types.size).toBe(entries.length);
        for (const { path: full } of entries) {
          const parts = full.split('/');
          expect(parts.every((each) => each !== '' && each !== '.' && each !== '..')).toBe(true);
          for (let at = 1; at < parts.length; at++) {
            const above = parts.slice(0, at).join('/');
            const isLinked = asked.link && asked.chmod === undefined;
            const below = isLinked ? undefined : image.lookup(above, { followLast: false })?.type;
            expect(types.get(above) ?? below).toBe('directory');
          }
        }
        // It is a layer, and on the image it puts each entry where it says.
        const { toc } = await readToc(tarStream(entries), 'application/vnd.oci.image.layer.v1.tar');
        image.apply(toc);
        for (const { path: full, type } of entries)
          expect(image.lookup(full, { followLast: false })?.type).toBe(type === 'hardlink' ? 'file' : type);
      }),
      { numRuns: 300 },
    );
    // Most requests of this kind are wrong; enough are not.
    expect(planned).toBeGreaterThan(30);
  });
});
