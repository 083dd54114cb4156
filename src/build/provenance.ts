import { formatPlatform, sha256 } from '#oci-spec-types';
import { type Result, statementOf } from '../pack/provenance.ts';
import { gitUri } from '../provenance/ci.ts';
import { gitMaterial } from '../provenance/git.ts';
import { type Hiding, hidingSecrets, publicUrl } from '../provenance/secrets.ts';
import { digestSet, type Material } from '../provenance/statement.ts';
import type { Context, OpenedImage } from '../transports/context.ts';
import type { BuildRequest } from './request.ts';
import type { BuildSource } from './source.ts';

/** What a Dockerfile's build was made from, beside images. */
export interface BuildMaterials {
  readonly dockerfile: BuildSource['dockerfile'];
  /** The context: a folder of this machine, or the commit of a repository. */
  readonly folder?: string | undefined;
  readonly commit?: string | undefined;
}

/** How a built image came to be. */
export async function buildProvenance(
  request: BuildRequest,
  made: BuildMaterials,
  opened: readonly OpenedImage[],
  result: Result,
  context: Context,
): Promise<Uint8Array> {
  const { dockerfile, folder, commit } = made;
  const named = request.secrets.filter(({ from }) => from === 'env').map(({ name }) => name);
  const hiding = hidingSecrets(context.env, named);
  const materials = [
    { name: hiding.text(dockerfile.name), digest: digestSet(sha256(dockerfile.text)) },
    folder === undefined
      ? commit === undefined
        ? undefined
        : remoteMaterial(request.context, commit)
      : await gitMaterial(folder, context),
  ];
  const parameters = buildParameters(request, hiding);
  return statementOf({ command: 'build', parameters, materials }, opened, result, context);
}

function remoteMaterial(url: string, commit: string): Material {
  const plain = publicUrl(url);
  return { name: 'context', uri: plain && gitUri(plain), digest: { gitCommit: commit } };
}

/** Of secrets and agents their ids alone. */
function buildParameters(request: BuildRequest, { text, map }: Hiding): Readonly<Record<string, unknown>> {
  const { file, target, secrets, ssh, platforms, labels, annotations } = request;
  return {
    context: text(request.context),
    file: file === undefined ? undefined : text(file),
    target,
    buildArgs: map(request.buildArgs),
    contexts: map(request.contexts),
    secrets: secrets.map(({ id }) => id),
    ssh: [...ssh.keys()],
    platforms: platforms.map(formatPlatform),
    labels: map(labels),
    annotations: map(annotations),
    compression: request.compression,
    created: request.created,
    squash: request.squash,
    network: request.network,
    hermetic: request.hermetic,
  };
}
