import { cp, mkdir, mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { Annotation, formatPlatform, isDigest } from '#oci-spec-types';
import { findSource } from '../compile/source.ts';
import { artifactDifference } from '../image/compare.ts';
import { imagesOf } from '../image/images-of.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Artifact, Image } from '../image/model.ts';
import { compressionOf } from '../layer/compression.ts';
import { removeOnInterrupt } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import { Store } from '../store/store.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { findInStore, keepInStore } from '../transports/store.ts';
import { pack } from './pack.ts';
import type { PackRequest } from './request.ts';

/** What an image tells of how it was packed, as `pack`'s own options. */
export interface RecordedOptions {
  readonly base?: string;
  readonly platform?: string;
  readonly compression?: string;
  readonly created?: string;
}

export async function recordedOptions(artifact: Artifact, { signal }: Context): Promise<RecordedOptions> {
  const images = await imagesOf(artifact, { signal });
  const [first] = images;
  if (first === undefined)
    throw new OcislimError('OCISLIM_USAGE', 'holds no image that could be built again');
  const base = baseOf(artifact, first);
  const compression = compressionOf(first.layers.at(-1)?.descriptor.mediaType ?? '');
  const { created } = first.config;
  return {
    platform: images.map((image) => formatPlatform(platformOfConfig(image.config))).join(','),
    ...(base === undefined ? {} : { base }),
    ...(compression === undefined ? {} : { compression }),
    ...(created === undefined ? {} : { created }),
  };
}

/** What is recorded; bases of ocislim's own are told by the history. */
function baseOf(artifact: Artifact, { config, manifest }: Image): string | undefined {
  const recorded =
    annotationsOf(artifact)[Annotation.BaseName] ?? manifest.annotations?.[Annotation.BaseName];
  if (recorded !== undefined) return recorded;
  const steps = (config.history ?? []).map(({ created_by }) => created_by ?? '');
  if (steps.includes('ocislim static base')) return 'static';
  return steps.every((step) => step.startsWith('ocislim pack ')) ? 'scratch' : undefined;
}

function annotationsOf(artifact: Artifact): Readonly<Record<string, string>> {
  return (artifact.kind === 'index' ? artifact.index.annotations : artifact.manifest.annotations) ?? {};
}

/**
 * Packs a path again in a store, a folder and at a time of its own, on the very base that the image records, and holds
 * the result against the image.
 * @throws OCISLIM_VERIFY_FAILED naming the first layer, file and byte that differ; what `pack` throws
 */
export async function requireSameAgain(
  artifact: Artifact,
  request: PackRequest,
  context: Context,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ocislim-rebuild-'));
  const kept = removeOnInterrupt(folder);
  const store = await Store.open(join(folder, 'store'));
  try {
    const again: Context = { ...context, store, pinned: pinnedFor(artifact, context) };
    await takeAlong(request.base, context, again);
    const tag = 'ocislim.invalid/again:1';
    const fresh = await copied(request.path, join(folder, 'source'), context.cwd);
    await pack(
      {
        ...request,
        path: fresh,
        tags: [tag],
        outputs: [`oci:${join(folder, 'again')}`],
        push: false,
        load: false,
        dryRun: false,
        // What was packed is compared with; whether it starts is another question.
        check: 'off',
        smoke: undefined,
      },
      again,
    );
    const { artifact: made } = await openSource(parseLocation(`store:${tag}`), again);
    const difference = await artifactDifference(artifact, made, { signal: context.signal });
    if (difference !== undefined) throw differs(difference);
  } finally {
    await store.close();
    await removeTree(folder);
    kept.forget();
  }
}

function differs(difference: string): OcislimError {
  return new OcislimError('OCISLIM_VERIFY_FAILED', `built again it differs: ${difference}`, {
    hint: 'were the options, the source and the toolchain the same?',
  });
}

/** A tag of the base may have moved since. */
function pinnedFor(artifact: Artifact, { pinned }: Context): Context['pinned'] {
  const annotations = annotationsOf(artifact);
  const [name, digest] = [annotations[Annotation.BaseName], annotations[Annotation.BaseDigest]];
  if (name === undefined || !isDigest(digest)) return pinned;
  const { digest: _, ...reference } = parseReference(name);
  const digests = new Map(pinned?.digests).set(formatReference(reference), digest);
  return { digests, isStrict: pinned?.isStrict ?? false };
}

/** A base that is in the store alone would be in no other. */
async function takeAlong(base: string | undefined, from: Context, to: Context): Promise<void> {
  if (base === undefined || !base.startsWith('store:')) return;
  const location = parseLocation(base);
  if (location.transport !== 'store') return;
  const found = await findInStore(location.reference, from);
  if (found !== undefined) await keepInStore(found, [formatReference(location.reference)], to);
}

/**
 * A copy in a folder of another name, and with other times. What is source comes with its folder; a pattern of files stays
 * where it is.
 */
async function copied(path: string, folder: string, cwd: string): Promise<string> {
  const source = await findSource(path, cwd);
  const whole = source?.folder ?? resolve(cwd, path);
  const isThere = await stat(whole).then(
    () => true,
    () => false,
  );
  if (!isThere) return path;
  await mkdir(folder);
  const copy = join(folder, basename(whole));
  await cp(whole, copy, { recursive: true, verbatimSymlinks: true });
  return source?.file === undefined ? copy : join(copy, source.file);
}
