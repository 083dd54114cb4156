import { type Digest, hostPlatform, type Platform } from '#oci-spec-types';
import { checkImage } from '../check/check.ts';
import { distinct, type Finding } from '../check/finding.ts';
import { judge } from '../check/verdict.ts';
import type { Dockerfile, Warning } from '../dockerfile/ast.ts';
import { dockerfileError } from '../dockerfile/error.ts';
import { expandWord } from '../dockerfile/expand.ts';
import { lintDockerfile } from '../dockerfile/lint.ts';
import { openRemotes } from '../dockerfile/open-remotes.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { indexOf } from '../image/index-of.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Image } from '../image/model.ts';
import { lazily } from '../lib/lazily.ts';
import { keepAndDeliver, planDelivery, requireTagsToPush } from '../pack/deliver.ts';
import { makeDocuments } from '../pack/documents.ts';
import { namesOf } from '../pack/names.ts';
import type { PackResult } from '../pack/request.ts';
import { describeResult } from '../pack/result.ts';
import type { Context, OpenedImage } from '../transports/context.ts';
import { checkPush } from '../transports/registry.ts';
import { globalArguments, platformArguments } from './arguments.ts';
import { cacheLocation, exportCache, importCache } from './cache-transfer.ts';
import type { BuildEnvironment, BuiltStage } from './environment.ts';
import { imageOf } from './finish.ts';
import { neededStages, requireStage, stagesOfImage, targetStage } from './graph.ts';
import type { BuildMaterials } from './provenance.ts';
import type { BuildRequest } from './request.ts';
import { type BuildSource, openBuildSource } from './source.ts';
import { buildStage } from './stage.ts';
import type { StepResult, Steps } from './step-cache.ts';

/**
 * Builds the image that a Dockerfile describes, and delivers it.
 *
 *     Dockerfile → stages that the target needs → image for each platform → will it start? → store → outputs, registry, engine
 */
export async function build(request: BuildRequest, context: Context): Promise<PackResult> {
  requireTagsToPush(request.tags, request.push);
  const plan = planDelivery(request.outputs, request.push, request.load);
  const signing = request.sign && (await import('../pack/sign.ts'));
  signing?.requirePlaceToSign(plan, namesOf(request.tags, ''));
  if (request.push) await checkPush(namesOf(request.tags, ''), context);
  const cacheTo = request.cacheTo.map((text) => cacheLocation('--cache-to', text));
  const opened: OpenedImage[] = [];
  const own: Context = { ...context, onImage: (image) => opened.push(image) };
  const { name, built, results, materials } = await buildImages(request, own);
  const references = namesOf(request.tags, name);
  const images = built.map(({ image }) => image);
  const check = distinct(built.flatMap(({ findings }) => findings));
  judge(check, request.check, context.progress);
  if (request.smoke !== undefined) {
    const { smoke } = await import('../pack/smoke.ts');
    await smoke(images, name, request.smoke, request, context);
  }
  const [only, ...others] = images;
  const artifact =
    only !== undefined && others.length === 0 ? only : indexOf(images, { annotations: request.annotations });
  const made = { artifact, images, references, created: request.created };
  const provenance = async () => {
    const { buildProvenance } = await import('./provenance.ts');
    return buildProvenance(request, materials, opened, made, context);
  };
  const documents = await makeDocuments(request.documents, { ...made, provenance }, context);
  const delivered = await keepAndDeliver({ ...made, referrers: documents }, plan, context);
  if (request.sign !== undefined)
    await signing?.signDelivered(artifact, references, plan, request.sign, context);
  for (const location of cacheTo) await exportCache(results, location, context);
  const { stage, appLayers = 0 } = built[0] ?? {};
  const base = stage?.base ?? { name: 'scratch' };
  return describeResult({ artifact, images, appLayers, references, base, delivered, documents, check });
}

/** What a Dockerfile comes to, delivered nowhere yet. */
export interface BuiltImages extends Pick<BuildEnvironment, 'file' | 'results'> {
  /** What the result is called where it is given no name. */
  readonly name: string;
  /** An image for each platform. */
  readonly built: readonly Built[];
  /** What it was made from, beside images. */
  readonly materials: BuildMaterials;
}

/**
 * Builds the images of all platforms.
 * @param accept throws for a Dockerfile of which nothing is to be built
 * @throws OCISLIM_DOCKERFILE_INVALID | OCISLIM_STEP_FAILED, and more
 */
export async function buildImages(
  request: BuildRequest,
  context: Context,
  accept: (file: Dockerfile) => void = () => {},
): Promise<BuiltImages> {
  const source = await openBuildSource(request, context);
  const remotes = openRemotes(context);
  try {
    const { name, dockerfile } = source;
    const file = parseDockerfile(request.text ?? dockerfile.text, { name: dockerfile.name });
    requireSmall(file);
    accept(file);
    warn(file, lintDockerfile(file, request), context);
    const imported = await importAll(request, context);
    const results = new Map<Digest, StepResult>();
    const platforms = request.platforms.length === 0 ? [hostPlatform()] : request.platforms;
    const built: Built[] = [];
    const parts = { file, source, imported, remotes, results };
    for (const platform of platforms) built.push(await buildFor(platform, parts, request, context));
    const { folder, commit } = source;
    return { name, file, built, results, materials: { dockerfile, folder, commit } };
  } finally {
    await remotes.close();
    await source.dispose();
  }
}

/** Far more than anybody writes; what is done for each of them, and with all before it, is bounded by it. */
const INSTRUCTION_LIMIT = 2000;

function requireSmall(file: Dockerfile): void {
  const all = file.stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  const first = all[INSTRUCTION_LIMIT];
  if (first === undefined) return;
  throw dockerfileError(file, first.range, `more than ${INSTRUCTION_LIMIT} instructions`, {
    hint: 'an image takes no more than some hundred layers',
  });
}

/** Tells what is likely a mistake; an error where the file says so (`# check=error=true`). */
function warn(file: Dockerfile, warnings: readonly Warning[], { progress }: Context): void {
  for (const { rule, message, range } of warnings)
    progress.warn(`${file.name}:${range.start.line}: ${message} (${rule})`);
  const [first] = warnings;
  if (first === undefined || !file.check?.isError) return;
  throw dockerfileError(file, first.range, `${first.message} (${first.rule})`, {
    hint: `# check=error=true makes warnings errors; # check=skip=${first.rule} leaves this one out`,
  });
}

async function importAll({ cacheFrom }: BuildRequest, context: Context): Promise<Steps> {
  const locations = cacheFrom.map((text) => [cacheLocation('--cache-from', text), text] as const);
  const steps = new Map<Digest, StepResult>();
  for (const [location, text] of locations)
    for (const [key, step] of await importCache(location, text, context)) steps.set(key, step);
  return steps;
}

interface Parts extends Pick<BuildEnvironment, 'file' | 'imported' | 'remotes' | 'results'> {
  readonly source: BuildSource;
}

export interface Built {
  readonly stage: BuiltStage;
  readonly image: Image;
  readonly appLayers: number;
  readonly findings: readonly Finding[];
}

async function buildFor(
  platform: Platform,
  { file, source, imported, remotes, results }: Parts,
  request: BuildRequest,
  context: Context,
): Promise<Built> {
  const target = targetStage(file, request.target);
  const anew = new Set(request.noCache.map((name) => requireStage(file, name, '--no-cache-filter')));
  const automatic = platformArguments(platform, hostPlatform(), request.target ?? '');
  const args = globalArguments(file.globals, request.buildArgs, automatic, (word, get) =>
    expandWord(word.text, { get }, { escape: file.escape, at: { file, range: word.range } }),
  );
  const failed = new AbortController();
  const own = { ...context, signal: AbortSignal.any([context.signal, failed.signal]) };
  const stages = new Map<number, Promise<BuiltStage>>();
  const env: BuildEnvironment = {
    request,
    context: own,
    outer: context,
    abandon: (error) => failed.abort(error),
    file,
    platform,
    args,
    project: source.project,
    kept: stagesOfImage(file, target),
    anew,
    imported,
    remotes,
    results,
    sources: source.tree,
    driver: lazily(async () => {
      const { sandboxFor } = await import('../pack/sandbox.ts');
      return sandboxFor(request.sandbox, own);
    }),
    stage: (at) => {
      const known = stages.get(at) ?? buildStage(at, env);
      stages.set(at, known);
      return known;
    },
  };
  const needed = neededStages(file, target, new Set(request.contexts.keys()));
  await allOrFirstFailure(
    needed.map((at) => env.stage(at)),
    failed,
  );
  const stage = await env.stage(target);
  warnOfUnused(request, env);
  const image = await imageOf(stage, env);
  const appLayers = image.layers.length - (stage.state.base?.layers.length ?? 0);
  return { stage, image, appLayers, findings: await findingsOf(stage, image, env) };
}

/** Waits for all; where one fails, the others are ended first, so that nothing goes on behind an error. */
async function allOrFirstFailure(work: readonly Promise<unknown>[], failed: AbortController): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  await Promise.all(
    work.map((each) =>
      each.catch((error: unknown) => {
        first ??= { error };
        failed.abort(error);
      }),
    ),
  );
  if (first !== undefined) throw first.error;
}

function warnOfUnused({ buildArgs }: BuildRequest, { args, context }: BuildEnvironment): void {
  const unused = [...buildArgs.keys()].filter((name) => !args.used.has(name));
  if (unused.length > 0) context.progress.warn(`--build-arg ${unused.join(', ')}: no ARG asks for it`);
}

async function findingsOf(
  { state, tree, base }: BuiltStage,
  image: Image,
  { request }: BuildEnvironment,
): Promise<readonly Finding[]> {
  const { Entrypoint, Cmd } = state.config;
  // An image without a command is one to build on.
  if (request.check === 'off' || (!Entrypoint?.length && !Cmd?.length)) return [];
  const merged = await tree.of(state.layers);
  const platform = platformOfConfig(image.config);
  const count = state.base?.layers.length ?? 0;
  // What the base gives away is not this Dockerfile's to mend.
  const added = [...merged.all()].filter(({ layer = -1 }) => layer >= count).map(({ path }) => path);
  const subject = { tree: merged, config: state.config, platform, base: base.name, added };
  const findings = await checkImage(subject);
  const ignored = new Set<string>(request.ignore);
  return findings.filter(({ rule }) => !ignored.has(rule));
}
