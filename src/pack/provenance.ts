import { resolve } from 'node:path';
import { formatPlatform } from '#oci-spec-types';
import type { Artifact, Image } from '../image/model.ts';
import { ciOf } from '../provenance/ci.ts';
import { pathMaterial } from '../provenance/digests.ts';
import { gitMaterial } from '../provenance/git.ts';
import { type Hiding, hidingSecrets } from '../provenance/secrets.ts';
import {
  digestSet,
  LOCAL_BUILDER,
  type Material,
  provenanceStatement,
  type StatementParts,
} from '../provenance/statement.ts';
import { parseReference, type Reference, repositoryName } from '../registry/reference.ts';
import { imagePurl } from '../sbom/purl.ts';
import type { Context, OpenedImage } from '../transports/context.ts';
import { parseAddition } from './add.ts';
import type { FoundInputs } from './compile.ts';
import type { PackRequest } from './request.ts';

/** What was made, for a statement about it. */
export interface Result {
  readonly artifact: Artifact;
  readonly images: readonly Image[];
  readonly references: readonly Reference[];
}

/** How a packed image came to be. */
export async function packProvenance(
  request: PackRequest,
  found: FoundInputs,
  opened: readonly OpenedImage[],
  result: Result,
  context: Context,
): Promise<Uint8Array> {
  const { signal, env, cwd } = context;
  const hiding = hidingSecrets(env);
  const { compiled } = found;
  const sources: Material[] = [];
  if (compiled === undefined) {
    const paths = new Set(found.inputs.map(({ source }) => source.path));
    for (const path of paths) sources.push(await pathMaterial(path));
  } else {
    const { source, recipe, program } = compiled.recognised;
    const { leavings } = recipe;
    sources.push(await pathMaterial(source.folder, { files: program.files, leavings }));
  }
  for (const option of request.add)
    sources.push(await pathMaterial(resolve(cwd, parseAddition(option).source)));
  const folder = compiled?.recognised.source.folder ?? cwd;
  const toolchain = compiled?.toolchain?.trim();
  return statementOf(
    {
      command: 'pack',
      parameters: packParameters(request, hiding),
      internal: compiled && {
        recipe: compiled.recognised.recipe.name,
        toolchain: toolchain === undefined ? undefined : hiding.text(toolchain),
      },
      materials: [...sources, await gitMaterial(folder, { env, signal })],
    },
    opened,
    result,
    context,
  );
}

function packParameters(request: PackRequest, { text, map }: Hiding): Readonly<Record<string, unknown>> {
  const { compile, config } = request;
  const { entrypoint, cmd, env = {}, labels = {}, user, workdir, expose, volumes, stopSignal } = config;
  const optional = (value: string | undefined) => (value === undefined ? undefined : text(value));
  return {
    path: text(request.path),
    base: optional(request.base),
    platforms: request.platforms.map(formatPlatform),
    dest: optional(request.dest),
    add: request.add.map(text),
    config: {
      entrypoint: entrypoint?.map(text),
      cmd: cmd?.map(text),
      env: map(env),
      user,
      workdir,
      labels: map(labels),
      expose,
      volumes,
      stopSignal,
    },
    annotations: map(request.annotations),
    compression: request.compression,
    created: request.created,
    withLibs: request.withLibs,
    withCerts: request.withCerts,
    withTzdata: request.withTzdata,
    libsFrom: optional(request.libsFrom),
    compile: {
      toolchain: text(compile.toolchain),
      network: compile.network,
      recipe: compile.recipe,
      bin: compile.bin,
      build: optional(compile.build),
      artifact: optional(compile.artifact),
      env: map(compile.env ?? {}),
      link: compile.link,
      jlink: compile.jlink,
    },
  };
}

/** A statement about a result, with the images that it was made with among its materials, and the run that made it. */
export function statementOf(
  parts: Pick<StatementParts, 'command' | 'parameters' | 'internal'> & {
    readonly materials: readonly (Material | undefined)[];
  },
  opened: readonly OpenedImage[],
  { artifact, images, references }: Result,
  { env }: Context,
): Uint8Array {
  const [reference] = references;
  const name = reference === undefined ? 'image' : repositoryName(reference);
  const digests = new Set([artifact, ...images].map(({ descriptor }) => descriptor.digest));
  const ci = ciOf(env);
  // A checkout that is there says more than the CI system's variables.
  const known = parts.materials.filter((each) => each !== undefined);
  const hasCommit = known.some(({ digest }) => digest?.['gitCommit'] !== undefined);
  const { text } = hidingSecrets(env);
  return provenanceStatement({
    ...parts,
    subjects: [...digests].map((digest) => ({ name, digest })),
    materials: [
      ...imageMaterials(opened, text),
      ...known,
      ...(!hasCommit && ci?.source !== undefined ? [ci.source] : []),
    ],
    run: ci?.run ?? { builder: LOCAL_BUILDER },
  });
}

/** The images that a result was made with, each once, sorted by name. */
function imageMaterials(
  opened: readonly OpenedImage[],
  text: (value: string) => string,
): readonly Material[] {
  const distinct = new Map(opened.map((image) => [`${image.name}\0${image.digest}`, image]));
  return [...distinct.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { name, reference, digest }]) => ({
      name: text(name),
      uri: reference === undefined ? undefined : purlOf(reference, digest),
      digest: digestSet(digest),
    }));
}

function purlOf(name: string, digest: string): string | undefined {
  const reference = parseReference(name);
  return imagePurl({ repository: repositoryName(reference), digest, tag: reference.tag });
}
