import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Layer } from '../../src/image/model.ts';
import { openTars } from '../../src/layer/open-tars.ts';
import { readTar } from '../../src/layer/tar-reader.ts';
import { runChild } from '../support/children.ts';
import { noise } from '../support/scene.ts';
import { bytesOf } from '../support/streams.ts';
import { member, rawLayer } from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';
import { watchWorkers } from '../support/workers.ts';

const large = noise(1_500_000);

/** A layer that is in a local file. */
async function local(layer: Layer): Promise<Layer> {
  const path = join(tempDir(), 'layer');
  writeFileSync(path, await bytesOf(await layer.open()));
  const { size } = layer.descriptor;
  return { ...layer, file: async () => ({ open: () => openSync(path, 'r'), ready: async () => size }) };
}

const one = rawLayer([member('one', large)], { gzip: true });
const two = rawLayer([member('two', 'small')], { gzip: true });
const three = rawLayer([member('three', Buffer.from(large).reverse())], { gzip: true });

/** Names of what is in layers, each of which is found to be what it says. */
async function namesIn(layers: readonly Layer[]): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { layer, tar, meter } of openTars(layers)) {
    await readTar(tar, ({ path }) => void names.push(path));
    expect(meter.digest).toBe(layer.diffId);
  }
  return names;
}

describe('tars of layers', () => {
  const workers = watchWorkers();
  afterEach(() => void vi.unstubAllEnvs());

  it('come in their order, the large ones of local files from one other thread', async () => {
    vi.stubEnv('OCISLIM_WORKERS', '2');
    const layers = [await local(one), await local(two), three, await local(three)];
    expect(await namesIn(layers)).toEqual(['one', 'two', 'three', 'three']);
    expect(workers.started).toHaveLength(1);
    await workers.allEnded();
  });

  it.each([
    ['OCISLIM_WORKERS is 0', '0', () => local(one)],
    ['the layer is no local file', '2', async () => one],
    ['the layer is small', '2', () => local(two)],
    ['the layer is not compressed with gzip', '2', () => local(rawLayer([member('one', large)]))],
  ])('need no other thread where %s', async (_, count, layer) => {
    vi.stubEnv('OCISLIM_WORKERS', count);
    expect(await namesIn([await layer()])).toHaveLength(1);
    expect(workers.started).toHaveLength(0);
  });

  it('do without a thread that does not come up', async () => {
    vi.stubEnv('OCISLIM_WORKERS', '2');
    const hinder = (worker: Worker) => void worker.terminate();
    process.on('worker', hinder);
    try {
      expect(await namesIn([await local(one), await local(three)])).toEqual(['one', 'three']);
    } finally {
      process.off('worker', hinder);
    }
  });

  it('end the thread where their reader stops', async () => {
    vi.stubEnv('OCISLIM_WORKERS', '2');
    for await (const { tar } of openTars([await local(one), await local(three)])) {
      await tar[Symbol.asyncIterator]().next();
      break;
    }
    expect(workers.started).toHaveLength(1);
    await workers.allEnded();
  });

  it('keep the process until they are read', async () => {
    const path = join(tempDir(), 'layer');
    writeFileSync(path, await bytesOf(await one.open()));
    const tarSize = gunzipSync(readFileSync(path)).length;
    expect(await runChild('read-tar', path, String(one.descriptor.size))).toBe(`${tarSize}\n`);
  });
});
