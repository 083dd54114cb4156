import { formatPlatform, hostPlatform, type Platform } from '#oci-spec-types';
import { imagesOf } from '../image/images-of.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Image, Layer } from '../image/model.ts';
import { imageFor } from '../image/select.ts';
import type { CompressionChoice } from '../layer/compression.ts';
import type { Toc } from '../layer/toc.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { layersInStore } from '../pack/layers.ts';
import { familiarReference, parseReference } from '../registry/reference.ts';
import { mergeTocs, type Tree } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { duplicatesOf, type ShippedFile, sameSized, shippedFiles, wasted } from './account.ts';
import { type ComparedNode, compareConfigs, compareParts, compareTrees } from './compare.ts';
import { type Found, readContents, type Wanted } from './contents.ts';
import type { Difference, ExplainedProgram, Explanation } from './model.ts';
import { savingsOf } from './savings.ts';

export interface ExplainOptions {
  /** Default this machine's, else the first there is. */
  readonly platform?: Platform | undefined;
  /** How the layers are compressed to see what that would save; undefined where nobody asks. */
  readonly compression?: CompressionChoice | undefined;
}

/** An image whose layers are here, and what is known of them without reading them. */
interface Opened {
  readonly name: string;
  readonly image: Image;
  readonly layers: readonly Layer[];
  readonly tocs: readonly Toc[];
  readonly tree: Tree;
  readonly files: readonly ShippedFile[];
}

/** Smaller programs are not looked into. */
const PROGRAM_MINIMUM = 100_000;
/** Programs that are looked into, the largest ones. */
const PROGRAMS = 100;

/**
 * Says where an image's bytes are. Layers of a registry are fetched into the store; each is read once.
 * @throws what the source throws, OCISLIM_PLATFORM_UNAVAILABLE
 */
export async function explain(name: string, options: ExplainOptions, context: Context): Promise<Explanation> {
  const opened = await openImage(name, options.platform, context);
  const { files, image, layers } = opened;
  const found = await readAll(opened, [...sameSized(files)], context);
  const duplicates = duplicatesOf(files, (file) => found(file)?.digest);
  const programs = programsOf(files, found);
  const sum = (list: readonly ShippedFile[]) => list.reduce((total, { size }) => total + size, 0);
  const hidden = files.filter((file) => file.hidden !== undefined);
  const [size, hiddenSize] = [sum(files), sum(hidden)];
  const duplicateSize = duplicates.reduce((total, each) => total + wasted(each), 0);
  const steps = (image.config.history ?? []).filter((entry) => !entry.empty_layer);
  const savings = await savingsOf({ ...opened, hiddenSize, duplicateSize, programs }, options, context);
  return {
    name: opened.name,
    platform: formatPlatform(platformOfConfig(image.config)),
    digest: image.descriptor.digest,
    pullSize: pullSize(image),
    size,
    visibleSize: size - hiddenSize,
    hiddenSize,
    layers: layers.map(({ descriptor, diffId }, at) => {
      const own = files.filter(({ layer }) => layer === at);
      return {
        digest: descriptor.digest,
        diffId,
        pullSize: descriptor.size,
        size: sum(own),
        hiddenSize: sum(own.filter((file) => file.hidden !== undefined)),
        createdBy: steps.length === layers.length ? steps[at]?.created_by : undefined,
      };
    }),
    files: files
      .map(({ path, size: bytes, layer, type, hidden: how }) => ({
        path,
        size: bytes,
        layer,
        type,
        hidden: how,
      }))
      .sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1)),
    programs,
    duplicates,
    duplicateSize,
    savings,
  };
}

/** Says what is not the same in two images. @throws as {@link explain} */
export async function difference(
  from: string,
  to: string,
  { platform }: ExplainOptions,
  context: Context,
): Promise<Difference> {
  const before = await openImage(from, platform, context);
  const after = await openImage(to, platform, context);
  const [old, now] = [await compared(before, after, context), await compared(after, before, context)];
  const files = compareTrees(old.nodes, now.nodes);
  const changed = new Set(files.changed.map(({ path }) => path));
  const programs = now.programs
    .filter(({ path }) => changed.has(path))
    .flatMap((program) => {
      const previous = old.programs.find(({ path }) => path === program.path);
      const parts = previous === undefined ? [] : compareParts(previous, program);
      return parts.length === 0 ? [] : [{ path: program.path, parts }];
    });
  const config = compareConfigs(before.image.config.config ?? {}, after.image.config.config ?? {});
  return { from: sideOf(before), to: sideOf(after), ...files, config, programs };
}

function sideOf({ name, image, files }: Opened): Difference['from'] {
  return {
    name,
    platform: formatPlatform(platformOfConfig(image.config)),
    digest: image.descriptor.digest,
    pullSize: pullSize(image),
    visibleSize: files.reduce((sum, file) => sum + (file.hidden === undefined ? file.size : 0), 0),
  };
}

/** What a container sees of an image, told apart from what one of `other` sees. */
async function compared(
  opened: Opened,
  other: Opened,
  context: Context,
): Promise<{
  readonly nodes: ReadonlyMap<string, ComparedNode>;
  readonly programs: readonly ExplainedProgram[];
}> {
  const visible = opened.files.filter(({ hidden }) => hidden === undefined);
  const place = ({ layers }: Opened, layer = 0, offset = 0) => `${layers[layer]?.diffId}:${offset}`;
  // What stands at one place of one layer is the same; of the rest only files as large as the other's need to be read.
  const doubtful = visible.filter(({ path, layer, offset, size, type }) => {
    const node = other.tree.lookup(path, { followLast: false });
    if (type !== 'file' || node?.type !== 'file') return false;
    return node.size === size && place(other, node.layer, node.offset) !== place(opened, layer, offset);
  });
  const found = await readAll(opened, doubtful, context);
  const digests = new Map(doubtful.map((file) => [`${file.layer}:${file.offset}`, found(file)?.digest]));
  const nodes = new Map<string, ComparedNode>();
  for (const node of opened.tree.all()) {
    const content = digests.get(`${node.layer}:${node.offset}`) ?? place(opened, node.layer, node.offset);
    const size = node.type === 'symlink' ? Buffer.byteLength(node.linkname ?? '') : node.size;
    nodes.set(node.path, { ...node, size, content });
  }
  return { nodes, programs: programsOf(visible, found) };
}

async function openImage(name: string, platform: Platform | undefined, context: Context): Promise<Opened> {
  return within(name, async () => {
    const { signal, store } = context;
    const { artifact, reference } = await openSource(parseLocation(name, { default: 'any' }), context);
    const image =
      platform !== undefined
        ? await imageFor(artifact, platform, { signal })
        : await imageFor(artifact, hostPlatform(), { signal }).catch(async (error: unknown) => {
            const [first] = await imagesOf(artifact, { signal });
            if (first === undefined) throw error;
            return first;
          });
    const layers = await layersInStore(image.layers, context);
    const tocs: Toc[] = [];
    for (const layer of layers) tocs.push(await store.tocs.get(layer, { signal }));
    const tree = mergeTocs(tocs);
    const shown = reference === undefined ? name : familiarReference(parseReference(reference));
    return { name: shown, image, layers, tocs, tree, files: shippedFiles(tocs, tree) };
  });
}

/** Reads the layers that have something to tell. */
async function readAll(
  { layers, files }: Opened,
  hashed: readonly ShippedFile[],
  { signal, progress }: Context,
): Promise<(file: ShippedFile) => Found | undefined> {
  const wanted = layers.map(() => new Map<number, Wanted>());
  for (const { layer, offset } of hashed) wanted[layer]?.set(offset, { hash: true });
  for (const { layer, offset } of programsIn(files))
    wanted[layer]?.set(offset, { ...wanted[layer]?.get(offset), parts: true });
  const found: ReadonlyMap<number, Found>[] = [];
  for (const [at, layer] of layers.entries()) {
    const asked = wanted[at] ?? new Map<number, Wanted>();
    const task = asked.size === 0 ? undefined : progress.task(`reading layer ${at + 1} of ${layers.length}`);
    try {
      found.push(await readContents(layer, asked, { signal }));
      task?.done();
    } catch (error) {
      task?.fail();
      throw error instanceof OcislimError
        ? error
        : new Error(`layer ${layer.descriptor.digest}`, { cause: error });
    }
  }
  return ({ layer, offset }) => found[layer]?.get(offset);
}

function programsIn(files: readonly ShippedFile[]): readonly ShippedFile[] {
  return files
    .filter(
      ({ facts, size, hidden }) =>
        facts?.elf !== undefined && size >= PROGRAM_MINIMUM && hidden === undefined,
    )
    .toSorted((a, b) => b.size - a.size)
    .slice(0, PROGRAMS);
}

function programsOf(
  files: readonly ShippedFile[],
  found: (file: ShippedFile) => Found | undefined,
): readonly ExplainedProgram[] {
  return programsIn(files).flatMap((file) => {
    const parts = found(file)?.parts;
    return parts === undefined ? [] : [{ path: file.path, layer: file.layer, size: file.size, ...parts }];
  });
}

/** Bytes that a pull moves. */
function pullSize({ manifest, layers }: Pick<Image, 'manifest' | 'layers'>): number {
  return layers.reduce((sum, { descriptor }) => sum + descriptor.size, manifest.config.size);
}
