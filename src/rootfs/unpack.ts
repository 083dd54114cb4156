import { mkdir, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Layer } from '../image/model.ts';
import { type OpenTar, type OpenTarsOptions, openTars } from '../layer/open-tars.ts';
import { readTar, type TarMember } from '../layer/tar-reader.ts';
import type { Toc } from '../layer/toc.ts';
import { explainWriteError } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { collectSeldom } from '../lib/own-process.ts';
import { isWrongContent } from '../lib/verify.ts';
import type { Unkept } from './attributes.ts';
import { pictureOf } from './picture.ts';
import { type Unpacked, UnpackedRoot, type UnpackLimits } from './unpacked-root.ts';

export interface UnpackOptions extends OpenTarsOptions, UnpackLimits {
  /** Gets the table of contents of each layer of which it has none, so that the layer need not be read again for it. */
  readonly tocs?: TocKeeper | undefined;
}

/** Where tables of contents are kept. */
export interface TocKeeper {
  has(layer: Layer): Promise<boolean>;
  /** @param toc of a layer that was found right */
  keep(layer: Layer, toc: Toc): Promise<void>;
}

/**
 * Unpacks layers, from the base up, into a new folder: whiteouts are applied (image-spec layer.md), links inside the root
 * lead where they would in a container, and nothing outside of `folder` is touched whatever the layers say. Owners and
 * rights are kept as far as this user can; what is not is told.
 * @param folder does not exist yet, in a folder that only this user may write to; on failure it is gone again
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_DIGEST_MISMATCH for layers that are not what the image says,
 *   OCISLIM_DISK_FULL | OCISLIM_NOT_WRITABLE
 */
export async function unpackLayers(
  layers: readonly Layer[],
  folder: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    throw explainWriteError(error, folder);
  }
  try {
    const root = new UnpackedRoot(folder, options);
    return await fill(root, layers, options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    throw explainWriteError(error, folder);
  }
}

/**
 * Lays further layers over what {@link unpackLayers} made, or a copy of it that a command has changed since.
 * @param unkept what in it is not as its image says
 * @throws as unpackLayers; then the folder is of no use any more
 */
export async function unpackOver(
  layers: readonly Layer[],
  folder: string,
  unkept: readonly Unkept[],
  options: UnpackOptions = {},
): Promise<Unpacked> {
  try {
    const root = new UnpackedRoot(folder, options, pictureOf(folder, unkept));
    return await fill(root, layers, options);
  } catch (error) {
    throw explainWriteError(error, folder);
  }
}

/**
 * Unpacks one layer without what lies below it, into a new folder.
 * @param implied folders of lower layers that have something of this one in them, which may not list them
 * @throws as unpackLayers
 */
export async function unpackAlone(
  layer: Layer,
  folder: string,
  implied: readonly TarMember[],
  options: UnpackOptions = {},
): Promise<Unpacked> {
  try {
    await mkdir(folder, { mode: 0o700 });
    const root = new UnpackedRoot(folder, options);
    for (const member of implied) await root.add(member, Readable.from([]));
    return await fill(root, [layer], options);
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    throw explainWriteError(error, folder);
  }
}

async function fill(root: UnpackedRoot, layers: readonly Layer[], options: UnpackOptions): Promise<Unpacked> {
  await collectSeldom();
  for await (const tar of openTars(layers, options)) await unpackTar(tar, root, options);
  return await root.finish();
}

async function unpackTar(open: OpenTar, root: UnpackedRoot, options: UnpackOptions): Promise<void> {
  try {
    await unpackFrom(open, root, options);
  } catch (error) {
    // Where the stored bytes are wrong, that is what is to be told, and done something about.
    if (isWrongContent(error)) for await (const _ of await open.layer.open({ signal: options.signal }));
    throw error;
  }
}

async function unpackFrom(
  { layer, tar, meter }: OpenTar,
  root: UnpackedRoot,
  { signal, tocs }: UnpackOptions,
): Promise<void> {
  const { descriptor, diffId } = layer;
  const what = `layer ${descriptor.digest}`;
  root.beginLayer();
  const isWanted = tocs !== undefined && !(await tocs.has(layer));
  const collector = isWanted ? (await import('../layer/read-toc.ts')).tocCollector() : undefined;
  const visit = (member: TarMember, content: AsyncIterable<Uint8Array>) =>
    collector === undefined
      ? root.add(member, content)
      : collector.visit(member, content, (watched) => root.add(member, watched));
  const { ended } = await readTar(tar, visit, { signal, what });
  if (meter.digest !== diffId) {
    throw new OcislimError(
      'OCISLIM_DIGEST_MISMATCH',
      `${what}: unpacks to ${meter.digest}, its image says ${diffId}`,
    );
  }
  if (!ended) throw new OcislimError('OCISLIM_ARCHIVE_INVALID', `${what}: cut short, it has no end marker`);
  if (collector !== undefined) await tocs?.keep(layer, collector.toc({ tarSize: meter.size, ended }));
}
