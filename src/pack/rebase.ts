import { Annotation, type Annotations, isDigest } from '#oci-spec-types';
import { checkImage } from '../check/check.ts';
import { distinct, type Finding } from '../check/finding.ts';
import { type CheckLevel, judge } from '../check/verdict.ts';
import { imagesOf } from '../image/images-of.ts';
import { indexOf } from '../image/index-of.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Artifact, Image } from '../image/model.ts';
import { rebaseImage } from '../image/rebase.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { formatReference, parseReference } from '../registry/reference.ts';
import { mergeTocs } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { checkPush } from '../transports/registry.ts';
import { type Base, openBase } from './base.ts';
import { baseAnnotations } from './base-annotations.ts';
import { keepAndDeliver, planDelivery, requireTagsToPush } from './deliver.ts';
import { layersInStore } from './layers.ts';
import { namesOf } from './names.ts';
import { tocsOf } from './prepare.ts';
import type { PackResult } from './request.ts';
import { describeResult } from './result.ts';
import { requirePlaceToSign, type Signer, signDelivered } from './sign.ts';

export interface RebaseRequest {
  readonly image: string;
  /** Default: what the recorded name of its base means now. */
  readonly base?: string | undefined;
  /** What it was made on; default: what it records. */
  readonly oldBase?: string | undefined;
  readonly tags: readonly string[];
  readonly outputs: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
  readonly check: CheckLevel;
  /** Ids of rules whose findings are not told. */
  readonly ignore: readonly string[];
  readonly sign?: Signer | undefined;
}

/**
 * Puts an image's own layers on another base, or on what its base has become, without building it again. The layers
 * stay as they are, byte by byte; whether it will start is looked at again.
 * @throws OCISLIM_CHECK_FAILED; OCISLIM_USAGE for an image that does not say what it was made on, or has no layers that
 * fit; what the transports throw
 */
export async function rebase(request: RebaseRequest, context: Context): Promise<PackResult> {
  requireTagsToPush(request.tags, request.push);
  if (request.tags.length === 0 && request.outputs.length === 0)
    throw new OcislimError('OCISLIM_USAGE', 'rebase: to what? Neither a name nor an output was given', {
      hint: 'for example -t ghcr.io/me/hello:2',
    });
  const references = namesOf(request.tags, 'rebased');
  const plan = planDelivery(request.outputs, request.push, request.load);
  if (request.sign !== undefined) requirePlaceToSign(plan, references);
  if (request.push) await checkPush(references, context);

  const { artifact, images, base, appLayers, check } = await within(request.image, () =>
    rebaseAll(request, context),
  );
  const isNamed = request.tags.length > 0;
  const created = secondsOf(images[0]);
  const delivered = await keepAndDeliver({ artifact, references, isNamed, created }, plan, context);
  if (request.sign !== undefined) await signDelivered(artifact, references, plan, request.sign, context);
  return describeResult({ artifact, images, appLayers, references, base, delivered, check });
}

interface Rebased {
  readonly artifact: Artifact;
  readonly images: readonly Image[];
  readonly base: Base;
  readonly appLayers: number;
  readonly check: readonly Finding[];
}

async function rebaseAll(request: RebaseRequest, context: Context): Promise<Rebased> {
  const { signal, progress } = context;
  const { artifact } = await openSource(parseLocation(request.image, { default: 'any' }), context);
  const olds = await imagesOf(artifact, { signal });
  const [first] = olds;
  if (first === undefined) throw new OcislimError('OCISLIM_USAGE', 'holds no image with layers');
  const base = await openBase(request.base ?? recordedName(artifact, first), context, secondsOf(first));
  const images: Image[] = [];
  const findings: Finding[] = [];
  for (const image of olds) {
    const made = await rebaseOne(image, base, request, context);
    images.push(made);
    if (request.check !== 'off') findings.push(...(await findingsOf(made, base, context)));
  }
  const ignored = new Set(request.ignore);
  const check = distinct(findings.filter(({ rule }) => !ignored.has(rule)));
  judge(check, request.check, progress);
  const [only] = images;
  const isPlain = artifact.kind === 'image' && only !== undefined;
  return {
    artifact: isPlain ? only : indexOf(images, { annotations: ofIndex(artifact, base) }),
    images,
    base,
    appLayers: (only?.layers.length ?? 0) - ((await base.image(platformOf(first)))?.layers.length ?? 0),
    check,
  };
}

async function rebaseOne(
  image: Image,
  base: Base,
  { oldBase }: RebaseRequest,
  context: Context,
): Promise<Image> {
  const platform = platformOf(image);
  const [old, fresh] = [await oldBaseOf(image, oldBase, context), await base.image(platform)];
  if (fresh === undefined)
    throw new OcislimError('OCISLIM_USAGE', 'scratch is no base to put an image on; it has no files');
  const annotations = { ...withoutBase(image.manifest.annotations), ...baseAnnotations(base, fresh) };
  const made = rebaseImage({ image, old, base: fresh, annotations });
  const whole = { ...made, layers: await layersInStore(made.layers, context) };
  await requireFit(whole, fresh, context);
  return whole;
}

/** The image that it was made on. Of ocislim's own base the layer may be another version's. */
async function oldBaseOf(image: Image, named: string | undefined, context: Context): Promise<Image> {
  const { signal } = context;
  const platform = platformOf(image);
  if (named === undefined && isOnStatic(image)) {
    const own = await (await openBase('static', context, secondsOf(image))).image(platform);
    if (own !== undefined) return { ...own, layers: image.layers.slice(0, own.layers.length) };
  }
  const name = named ?? recordedOldBase(image);
  const { artifact } = await within(`old base ${name}`, () => openSource(parseLocation(name), context));
  return imageFor(artifact, platform, { signal });
}

function isOnStatic({ config }: Image): boolean {
  return config.history?.[0]?.created_by === 'ocislim static base';
}

/** By its digest: what the name means now is the new base. */
function recordedOldBase({ manifest }: Image): string {
  const name = manifest.annotations?.[Annotation.BaseName];
  const digest = manifest.annotations?.[Annotation.BaseDigest];
  if (name === undefined || !isDigest(digest)) throw unknownBase('--old-base');
  return formatReference({ ...parseReference(name), digest });
}

function recordedName(artifact: Artifact, image: Image): string {
  const own = artifact.kind === 'index' ? artifact.index.annotations : undefined;
  const name = own?.[Annotation.BaseName] ?? image.manifest.annotations?.[Annotation.BaseName];
  if (name !== undefined) {
    const { digest: _, ...reference } = parseReference(name);
    return formatReference(reference);
  }
  if (isOnStatic(image)) return 'static';
  throw unknownBase('--base and --old-base');
}

function unknownBase(options: string): OcislimError {
  return new OcislimError('OCISLIM_USAGE', 'does not record what it was made on', {
    hint: `say it with ${options}`,
  });
}

function withoutBase(annotations: Annotations = {}): Record<string, string> {
  const { [Annotation.BaseName]: _name, [Annotation.BaseDigest]: _digest, ...rest } = annotations;
  return rest;
}

function ofIndex(artifact: Artifact, { reference, digest }: Base): Record<string, string> {
  const kept = artifact.kind === 'index' ? withoutBase(artifact.index.annotations) : {};
  if (reference === undefined || digest === undefined) return kept;
  return { ...kept, [Annotation.BaseName]: reference, [Annotation.BaseDigest]: digest };
}

async function findingsOf(image: Image, { name }: Base, context: Context): Promise<readonly Finding[]> {
  const tree = mergeTocs(await tocsOf(image, context));
  return checkImage({ tree, config: image.config.config ?? {}, platform: platformOf(image), base: name });
}

/**
 * Folders that the old base had were left to it, so that they are not in the image's own layers. Where the new base has a
 * link or a file in the place of one, each engine would make something else of it.
 * @throws OCISLIM_USAGE naming the first of them
 */
async function requireFit(image: Image, base: Image, context: Context): Promise<void> {
  const tocs = await tocsOf(image, context);
  const tree = mergeTocs(tocs.slice(0, base.layers.length));
  const members = tocs.slice(base.layers.length).flatMap((toc) => toc.members);
  const written = new Set(members.map(({ path }) => path));
  for (const { path } of members)
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      const there = written.has(folder) ? undefined : tree.lookup(folder, { followLast: false });
      if (there === undefined || there.type === 'directory') continue;
      throw new OcislimError(
        'OCISLIM_USAGE',
        `its layers have files in /${folder}, which is a ${there.type} in the new base`,
        { hint: 'pack or build it again on that base' },
      );
    }
}

function platformOf({ config }: Image) {
  return platformOfConfig(config);
}

function secondsOf(image: Image | undefined): number {
  const milliseconds = Date.parse(image?.config.created ?? '');
  return milliseconds > 0 ? Math.floor(milliseconds / 1000) : 0;
}
