import { formatPlatform } from '#oci-spec-types';
import { checkPlatform } from '../check/command.ts';
import { distinct, type Finding } from '../check/finding.ts';
import { judge } from '../check/verdict.ts';
import { requirePorts, requireVolumes } from '../image/container-config.ts';
import { indexOf } from '../image/index-of.ts';
import type { Artifact, Image } from '../image/model.ts';
import { atOnce } from '../lib/at-once.ts';
import { within } from '../lib/errors.ts';
import { formatReference, type Reference } from '../registry/reference.ts';
import type { Context, OpenedImage } from '../transports/context.ts';
import { pinnedReference } from '../transports/pinned.ts';
import { checkPush, sendingAhead } from '../transports/registry.ts';
import { assemble } from './assemble.ts';
import { type Base, isImage, openBase } from './base.ts';
import { type FoundInputs, findOrCompile } from './compile.ts';
import { keepAndDeliver, planDelivery, requireTagsToPush, withoutTags } from './deliver.ts';
import { makeDocuments } from './documents.ts';
import type { Input, Inputs } from './inputs.ts';
import { namesOf } from './names.ts';
import { type Prepared, prepare } from './prepare.ts';
import type { PackRequest, PackResult } from './request.ts';
import { describeResult } from './result.ts';
import { smoke } from './smoke.ts';

/**
 * The main job: puts a program on a base as one layer, and delivers the image.
 *
 *     inputs, compiled where they are source → base → will it start? → a layer for each platform → image (or index) → store → outputs, registry, engine
 *
 * Everything that can be refused is looked at before anything is made.
 */
export async function pack(request: PackRequest, context: Context): Promise<PackResult> {
  requireTagsToPush(request.tags, request.push);
  requirePorts(request.config.expose ?? []);
  requireVolumes(request.config.volumes ?? []);
  await requirePinnedImages(request, context);
  const opened: OpenedImage[] = [];
  const own: Context = { ...context, onImage: (image) => opened.push(image) };
  const found = await findOrCompile(request, own);
  try {
    return await packFound(found, opened, request, own);
  } finally {
    await found.dispose();
  }
}

/** What is refused for want of a pin is refused before anything is compiled. */
export async function requirePinnedImages(
  { base, libsFrom, withLibs, withTzdata }: PackRequest,
  context: Context,
): Promise<void> {
  if (base !== undefined && isImage(base)) await within(`base ${base}`, () => pinnedReference(base, context));
  if (libsFrom !== undefined && libsFrom !== 'host' && (withLibs || withTzdata))
    await within(`--libs-from ${libsFrom}`, () => pinnedReference(libsFrom, context));
}

async function packFound(
  found: FoundInputs,
  /** Images that it is made with; those that are opened meanwhile come to it. */
  opened: readonly OpenedImage[],
  request: PackRequest,
  context: Context,
): Promise<PackResult> {
  const { name, inputs } = found;
  const references = namesOf(request.tags, name);
  const outputs = defaultOutputs(request, name);
  const plan = planDelivery(outputs, request.push, request.load);
  const signing = request.sign && (await import('./sign.ts'));
  signing?.requirePlaceToSign(plan, references);

  // What the program alone tells need not wait for a base, which may have to be fetched.
  if (request.check === 'error' && !request.ignore.includes('platform-mismatch'))
    judge(distinct(inputs.flatMap(misfits)), request.check, context.progress);

  const willPush = request.push && !request.dryRun;
  const [{ base, prepared }] = await atOnce(context.signal, (signal) => {
    const own = { ...context, signal };
    return [prepareAll(found, request, own), willPush ? checkPush(references, own) : Promise.resolve()];
  });
  const check = distinct(prepared.flatMap(({ findings }) => findings));
  judge(check, request.check, context.progress);
  for (const { input, place } of prepared)
    context.progress.note(`${formatPlatform(input.platform)}: ${place} on ${base.name}`);
  if (request.dryRun) return plannedResult(request, { name, inputs }, references, outputs, base, check);

  const images: Image[] = [];
  // What a smoke test may refuse stays here until it has passed.
  const ahead = willPush && request.smoke === undefined ? await sendingAhead(references, context) : undefined;
  for (const each of prepared) images.push(await assemble(each, base, request, context, ahead));
  const appLayers = prepared[0]?.layers.length ?? 1;
  if (request.smoke !== undefined) {
    const { check: level, compile } = request;
    await smoke(images, name, request.smoke, { check: level, sandbox: compile.sandbox }, context);
  }
  const artifact = joined(images, base.reference, base.digest);
  const made = { artifact, images, references, created: request.created };
  const provenance = async () => {
    const { packProvenance } = await import('./provenance.ts');
    return packProvenance(request, found, opened, made, context);
  };
  const documents = await makeDocuments(request.documents, { ...made, provenance }, context);
  const delivered = await keepAndDeliver({ ...made, referrers: documents }, plan, context);
  if (request.sign !== undefined)
    await signing?.signDelivered(artifact, references, plan, request.sign, context);
  const names = request.push === 'by-digest' ? withoutTags(references) : references;
  return describeResult({
    artifact,
    images,
    appLayers,
    references: names,
    base,
    delivered,
    documents,
    check,
  });
}

/**
 * Everything up to the verdict: the base, and what each platform's image would be.
 * @returns `base.name` is the one that was asked for, else the one that suits the input
 */
export async function prepareAll(
  { name, inputs, runsOn, compiledIn = 'host' }: FoundInputs,
  request: PackRequest,
  context: Context,
): Promise<{ readonly base: Base; readonly prepared: readonly Prepared[] }> {
  const usual = request.base ?? runsOn ?? (await usualBase(inputs));
  const base = await openBase(usual, context, request.created);
  const whole = { ...request, libsFrom: request.libsFrom ?? compiledIn };
  const prepared: Prepared[] = [];
  for (const input of inputs) prepared.push(await prepare(input, name, base, whole, context));
  return { base, prepared };
}

function misfits({ platform, source }: Input): readonly Finding[] {
  const elf = source.kind === 'program' ? source.facts.elf : undefined;
  const found = elf && checkPlatform(source.path, elf.platform, platform);
  return found === undefined ? [] : [found];
}

/** The embedded base, but for a jar, which needs Java, and for a runtime, which needs a C library. */
async function usualBase([first]: readonly Input[]): Promise<string> {
  if (first?.source.kind === 'folder') return 'debian:stable-slim';
  if (first?.source.kind !== 'jar') return 'static';
  const { javaBase, readJar } = await import('./jar.ts');
  return javaBase((await readJar(first.source.path)).release);
}

/** One image stays itself; several become an index. */
function joined(
  images: readonly Image[],
  baseName: string | undefined,
  baseDigest: string | undefined,
): Artifact {
  const [only, ...others] = images;
  if (only !== undefined && others.length === 0) return only;
  const annotations =
    baseName === undefined || baseDigest === undefined
      ? {}
      : {
          'org.opencontainers.image.base.name': baseName,
          'org.opencontainers.image.base.digest': baseDigest,
        };
  return indexOf(images, { annotations });
}

function defaultOutputs(request: PackRequest, name: string): readonly string[] {
  if (request.outputs.length > 0 || request.push || request.load) return request.outputs;
  return [`oci:${name}.oci`];
}

function plannedResult(
  request: PackRequest,
  { inputs }: Inputs,
  references: readonly Reference[],
  outputs: readonly string[],
  base: Base,
  check: readonly Finding[],
): PackResult {
  const names = references.map(formatReference);
  return {
    name: names[0] ?? '',
    names,
    digest: '',
    mediaType: '',
    size: 0,
    platforms: inputs.map((input) => ({
      platform: formatPlatform(input.platform),
      digest: '',
      imageId: '',
      size: 0,
      layers: [],
    })),
    base: { name: base.reference ?? base.name, digest: base.digest },
    outputs: [
      ...outputs.map((dest) => ({ type: 'planned', dest })),
      ...(request.push ? names.map((dest) => ({ type: 'planned', dest: `docker://${dest}` })) : []),
      ...(request.load ? [{ type: 'planned', dest: 'engine' }] : []),
    ],
    check,
  };
}
