import { createReadStream } from 'node:fs';
import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Descriptor, Platform } from '#oci-spec-types';
import type { FileView } from '../check/subject.ts';
import type { Layer } from '../image/model.ts';
import { imageFor } from '../image/select.ts';
import { compressionOf, decompress } from '../layer/compression.ts';
import { mayHaveFacts, TEXT_LIMIT, TEXTS } from '../layer/facts.ts';
import { readTar } from '../layer/tar-reader.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { mergeTocs, type Node } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { openPinned } from '../transports/pinned.ts';
import { factsOfFile } from './file-facts.ts';
import { layersInStore } from './layers.ts';

/** A file system that files are taken from: the host's, or an image's. */
export interface FileSource {
  /** How messages name it. */
  readonly name: string;
  readonly view: FileView;
  /** Opens a file by its real path. `wanted` are all that will be opened, so that a layer is read once for them. */
  open(path: string, wanted: readonly string[]): Promise<Readable>;
}

/** `host`, or wherever an image is read from. @throws what the transport throws */
export async function openFileSource(
  from: string,
  platform: Platform,
  context: Context,
): Promise<FileSource> {
  if (from === 'host') return hostFiles();
  return within(`--libs-from ${from}`, async () => {
    const { artifact } = await openPinned(from, { default: 'any' }, context);
    const { signal, store } = context;
    const image = await imageFor(artifact, platform, { signal });
    const layers = await layersInStore(image.layers, context);
    const tocs = [];
    for (const layer of layers) tocs.push(await store.tocs.get(layer, { signal }));
    let taken: Promise<ReadonlyMap<string, Descriptor>> | undefined;
    return {
      name: from,
      view: mergeTocs(tocs),
      open: async (path, wanted) => {
        taken ??= takeFiles(layers, wanted, context);
        const descriptor = (await taken).get(path);
        if (descriptor === undefined) throw new OcislimError('OCISLIM_NOT_FOUND', `/${path}: not in ${from}`);
        return store.open(descriptor, { signal });
      },
    };
  });
}

/** Puts the content of files into the store; of layers that both have a file, the upper one counts. */
async function takeFiles(
  layers: readonly Layer[],
  paths: readonly string[],
  { store, signal }: Context,
): Promise<ReadonlyMap<string, Descriptor>> {
  const taken = new Map<string, Descriptor>();
  for (const layer of layers.toReversed()) {
    const left = new Set(paths.filter((path) => !taken.has(path)));
    if (left.size === 0) break;
    const links = new Map<string, string>();
    const found = new Map<string, Descriptor>();
    const compression = compressionOf(layer.descriptor.mediaType);
    if (compression === undefined) continue;
    const toc = await store.tocs.get(layer, { signal });
    for (const { path, type, linkname } of toc.members)
      if (left.has(path) && type === 'hardlink' && linkname !== undefined) links.set(path, linkname);
    const contents = new Set([...left, ...links.values()]);
    await readTar(
      decompress(await layer.open({ signal }), compression),
      async (member, content) => {
        if (member.type !== 'file' || !contents.has(member.path)) return;
        const stored = await store.put(Readable.from(content), { signal, size: member.size });
        found.set(member.path, { mediaType: 'application/octet-stream', ...stored });
      },
      { signal, what: 'layer' },
    );
    for (const path of left) {
      const descriptor = found.get(links.get(path) ?? path);
      if (descriptor !== undefined) taken.set(path, descriptor);
    }
  }
  return taken;
}

/** The file system of this machine. */
function hostFiles(): FileSource {
  const known = new Map<string, Promise<Node | undefined>>();
  const lookup = (path: string) => {
    // Not normalized: what `..` leads out of may be a link.
    const full = `/${path}`;
    const node = known.get(full) ?? lookUpOnHost(full);
    known.set(full, node);
    return node;
  };
  return {
    name: 'this machine',
    view: {
      lookup,
      list: async (path) => (await readdir(join('/', path)).catch(() => [])).sort(),
    },
    open: async (path) => createReadStream(join('/', path)),
  };
}

async function lookUpOnHost(full: string): Promise<Node | undefined> {
  // What this user may not see is not there for them.
  const real = await realpath(full).catch(() => undefined);
  const found = real === undefined ? undefined : await stat(real).catch(() => undefined);
  if (real === undefined || found === undefined) return undefined;
  const path = real.slice(1);
  const type = found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'device';
  const node: Node = { path, type, mode: found.mode & 0o7777, uid: 0, gid: 0, size: found.size };
  if (!mayHaveFacts(node)) return node;
  if (TEXTS.test(path) && found.size <= TEXT_LIMIT)
    return { ...node, facts: { text: await readFile(real, 'utf8') } };
  const file = await open(real, 'r').catch(() => undefined);
  if (file === undefined) return node;
  try {
    return { ...node, facts: await factsOfFile(file) };
  } finally {
    await file.close();
  }
}
