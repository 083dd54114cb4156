import { describe, expect, it } from 'vitest';
import { validateArtifact } from '../../src/image/validate.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { findInStore } from '../../src/transports/store.ts';
import { inOrder, scene } from '../support/scene.ts';
import { VENDORS } from '../support/vendors.ts';

describe.each(Object.entries(VENDORS))('%s', (_, quirks) => {
  it('takes an image and gives it back', async () => {
    const { push, pull, pushed, layer, disk, context, registry, image } = await scene({ quirks });
    await push();
    expect(pushed()?.length).toBe(layer.size);
    expect(registry.manifests.get('me/pushed:1')?.raw).toEqual(Buffer.from(image.raw));
    await pull();
    const pulled = await findInStore(parseReference('pulled:1'), context);
    if (pulled === undefined) throw new Error('not in the store');
    expect(await validateArtifact(pulled)).toEqual([]);
    expect(disk()).toEqual(inOrder(3));
  });

  it('takes an image again without its content', async () => {
    const { push, registry } = await scene({ quirks });
    await push();
    const before = registry.seen.length;
    await push();
    const sent = registry.seen
      .slice(before)
      .filter(({ body, path }) => body.length > 0 && path.includes('/blobs/'));
    expect(sent).toEqual([]);
  });

  it('is asked for the push before the work, and left as it was', async () => {
    const { client, registry } = await scene({ quirks });
    const target = await client.target(parseReference(`${registry.host}/me/pushed:1`));
    await target.checkPush();
    await client.close();
    expect(registry.uploads.size).toBe(quirks.noStatus ? 1 : 0);
    expect(registry.lines().filter((line) => /^(PUT|PATCH)/.test(line))).toEqual([]);
  });
});
