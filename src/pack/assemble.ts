import pMap from 'p-map';
import { formatPlatform, layerMediaType, shortDigest } from '#oci-spec-types';
import type { Finding } from '../check/finding.ts';
import { checkLinkage } from '../check/linkage.ts';
import { checkScript } from '../check/script.ts';
import type { Image, Layer } from '../image/model.ts';
import { buildImage } from '../image/mutate.ts';
import { layerStream } from '../layer/build.ts';
import type { CompressionChoice } from '../layer/compression.ts';
import type { Entry } from '../layer/entry.ts';
import { factsOf, mayHaveFacts } from '../layer/facts.ts';
import type { TocMember } from '../layer/toc.ts';
import { isoTime } from '../lib/time.ts';
import { placeEntries } from '../rootfs/place.ts';
import { mergeTocs, type Tree } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { additions } from './add.ts';
import type { Base } from './base.ts';
import type { Input } from './inputs.ts';
import type { PackRequest } from './request.ts';

/** What one platform's image is made of, before anything is written. */
export interface Payload {
  /** Files as asked for, with paths as the user wrote them. */
  readonly entries: readonly Entry[];
  /** Command that starts the program. */
  readonly entrypoint: readonly string[];
  /** Working folder that the payload itself suggests. */
  readonly workdir?: string | undefined;
}

/** The files of an input and of `--add`, and how the program is started. */
export async function payloadOf(
  input: Input,
  name: string,
  request: PackRequest,
  context: Context,
): Promise<Payload> {
  const { created } = request;
  const added = await additions(request.add, created, context.cwd);
  if (input.source.kind === 'bundle') {
    const folder = request.dest ?? '/app';
    const { bundleProgram } = await import('./bundle-program.ts');
    const bundle = await bundleProgram(input.source.path, folder, name, request, context);
    return { ...bundle, entries: [...bundle.entries, ...added], workdir: folder };
  }
  const dest = request.dest ?? `/usr/local/bin/${name}`;
  const { size, open } = input.source;
  const program: Entry = {
    path: dest.slice(1),
    type: 'file',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: created,
    size,
    open,
  };
  return { entries: [program, ...added], entrypoint: [dest] };
}

/** The base's merged file tree; empty for `scratch`. Reads no layer that was read before. */
async function treeOf(image: Image | undefined, context: Context): Promise<Tree> {
  const { store, signal, progress } = context;
  const tocs = [];
  for (const layer of image?.layers ?? []) {
    const toc = await store.tocs.get(layer, { signal });
    if (!toc.ended)
      progress.warn(`base layer ${shortDigest(layer.descriptor.digest)} has no end: it may be cut short`);
    tocs.push(toc);
  }
  return mergeTocs(tocs);
}

/** What one platform's layer will hold, and what keeps its program from starting. */
export interface Arrangement {
  /** In their places on the base. */
  readonly entries: readonly Entry[];
  readonly findings: readonly Finding[];
}

/** Fits a payload onto its base, and looks whether the program will start there. */
export async function arrange(
  input: Input,
  payload: Payload,
  base: Base,
  baseImage: Image | undefined,
  request: PackRequest,
  context: Context,
): Promise<Arrangement> {
  const tree = await treeOf(baseImage, context);
  const entries = placeEntries(payload.entries, tree, request.created);
  const { source } = input;
  if (request.check === 'off' || source.kind !== 'program') return { entries, findings: [] };
  const { interpreter, linkage, shebang } = source;
  // A static program needs nobody.
  if (interpreter === undefined && shebang === undefined) return { entries, findings: [] };
  tree.apply({ members: await pMap(entries, memberOf, { concurrency: 1 }) });
  const env = [
    ...(baseImage?.config.config?.Env ?? []),
    ...Object.entries(request.config.env ?? {}).map(([key, value]) => `${key}=${value}`),
  ];
  const path = payload.entrypoint[0] ?? '/';
  const surroundings = { tree, base: base.name, env: env.reverse() };
  const findings =
    shebang === undefined
      ? checkLinkage({ path, interpreter, linkage }, surroundings)
      : checkScript(path, shebang, surroundings);
  return { entries, findings };
}

/** An entry as the layer's table of contents will have it. */
async function memberOf(entry: Entry): Promise<TocMember> {
  const member = { ...entry, size: entry.size ?? 0 };
  const facts = mayHaveFacts(member) && entry.open ? await factsOf(member, await entry.open()) : undefined;
  return { ...member, facts };
}

/** Base plus exactly one layer. */
export async function assemble(
  input: Input,
  { entries }: Arrangement,
  payload: Payload,
  base: Base,
  baseImage: Image | undefined,
  request: PackRequest,
  context: Context,
): Promise<Image> {
  const label = `layer ${formatPlatform(input.platform)}`;
  const layer = await storeLayer(entries, request.compression, context, label);
  const annotations = { ...request.annotations, ...baseAnnotations(base, baseImage) };
  return buildImage({
    base: baseImage,
    layers: [layer],
    platform: input.platform,
    created: isoTime(request.created),
    createdBy: `ocislim pack ${payload.entrypoint[0] ?? ''}`.trim(),
    config: {
      ...request.config,
      entrypoint: request.config.entrypoint ?? payload.entrypoint,
      workdir: request.config.workdir ?? (baseImage?.config.config?.WorkingDir ? undefined : payload.workdir),
    },
    annotations,
  });
}

function baseAnnotations(base: Base, image: Image | undefined): Record<string, string> {
  if (base.reference === undefined || image === undefined) return {};
  return {
    'org.opencontainers.image.base.name': base.reference,
    'org.opencontainers.image.base.digest': image.descriptor.digest,
  };
}

/**
 * Writes entries as a layer into the store, and describes it.
 * @param label what progress calls it; nothing is shown without one
 */
export async function storeLayer(
  entries: readonly Entry[],
  compression: CompressionChoice,
  { store, progress, signal }: Context,
  label?: string,
): Promise<Layer> {
  const size = entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
  const task = label === undefined ? undefined : progress.task(label, size);
  const onBytes = (count: number) => task?.advance(count);
  try {
    const { stream, result } = layerStream(entries, { compression, signal, onBytes });
    const stored = await store.put(stream, { signal, size });
    task?.done('packed');
    const descriptor = { mediaType: layerMediaType(compression.kind), ...stored };
    const { diffId } = result();
    return store.ensure({ descriptor, diffId, open: (options) => store.open(descriptor, options) });
  } catch (error) {
    task?.fail();
    throw error;
  }
}
