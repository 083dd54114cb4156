import {
  type Annotations,
  type ContainerConfig,
  type Descriptor,
  encodeConfig,
  encodeManifest,
  type History,
  type ImageConfig,
  type Manifest,
  MediaType,
  type Platform,
  sha256,
  toOciMediaType,
} from '#oci-spec-types';
import { mergeEnv, requirePorts, requireVolumes } from './container-config.ts';
import { platformOfConfig } from './load.ts';
import type { Image, Layer } from './model.ts';

/** What changes in how a container starts; what is undefined stays as the base has it. */
export interface ConfigChanges {
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** `80`, `53/udp`, `8000-8010`. */
  readonly expose?: readonly string[] | undefined;
  readonly volumes?: readonly string[] | undefined;
  readonly stopSignal?: string | undefined;
}

export interface ImageParts {
  /** Undefined for an image from nothing. */
  readonly base?: Image | undefined;
  /** What goes on top, lowest first. */
  readonly layers: readonly Layer[];
  /** Of an image without a base; one with a base has the base's. */
  readonly platform: Platform;
  /** RFC 3339. */
  readonly created: string;
  /** How the new layers were made, for the history. */
  readonly createdBy: string;
  readonly config: ConfigChanges;
  readonly annotations: Annotations;
}

/**
 * Puts layers on a base and changes its configuration. The result is an OCI image whatever the base was: descriptors
 * of Docker's media types are renamed, their blobs and digests stay (image-spec manifest.md, config.md).
 * @throws OCISLIM_USAGE for a port or a volume that is none
 */
export function buildImage(parts: ImageParts): Image {
  const { base, created, annotations, platform } = parts;
  const layers = [...(base?.layers ?? []), ...parts.layers];
  const config = changeConfig(base?.config.config ?? {}, parts.config);
  return composeImage({ base, layers, platform, created, config, history: historyOf(parts), annotations });
}

export interface WholeImage extends Pick<ImageParts, 'platform' | 'created' | 'annotations'> {
  /** What it says of the operating system is kept; its layers and configuration are not looked at. */
  readonly base?: Image | undefined;
  /** All of them, lowest first. */
  readonly layers: readonly Layer[];
  readonly config: ContainerConfig;
  readonly history: readonly History[];
  readonly author?: string | undefined;
}

/** An OCI image of layers and the whole of its configuration. */
export function composeImage({ base, created, annotations, history, author, ...whole }: WholeImage): Image {
  const layers = whole.layers.map(asOciLayer);
  const { os, architecture, variant } = base ? platformOfConfig(base.config) : whole.platform;
  const config: ImageConfig = {
    created,
    author,
    architecture,
    variant: base?.config.variant ?? variant,
    os,
    'os.version': base?.config['os.version'],
    'os.features': base?.config['os.features'],
    config: whole.config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history,
  };
  const rawConfig = encodeConfig(config);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: { mediaType: MediaType.Config, digest: sha256(rawConfig), size: rawConfig.length },
    layers: layers.map((layer) => layer.descriptor),
    annotations: Object.keys(annotations).length > 0 ? annotations : undefined,
  };
  const raw = encodeManifest(manifest);
  const descriptor: Descriptor = {
    mediaType: MediaType.Manifest,
    digest: sha256(raw),
    size: raw.length,
    platform: platformOfConfig(config),
  };
  return { kind: 'image', descriptor, raw, manifest, config, rawConfig, layers };
}

function asOciLayer(layer: Layer): Layer {
  const { descriptor } = layer;
  return { ...layer, descriptor: { ...descriptor, mediaType: toOciMediaType(descriptor.mediaType) } };
}

/** A configuration with changes. @throws OCISLIM_USAGE for a port or a volume that is none */
export function changeConfig(base: ContainerConfig, changes: ConfigChanges): ContainerConfig {
  const { entrypoint, cmd, env, user, workdir, labels, expose, volumes, stopSignal } = changes;
  return {
    ...base,
    ...(env === undefined ? {} : { Env: mergeEnv(base.Env ?? [], env) }),
    ...(user === undefined ? {} : { User: user }),
    ...(workdir === undefined ? {} : { WorkingDir: workdir }),
    // A new entrypoint takes no arguments that were meant for the old one, as with Dockerfile's ENTRYPOINT.
    ...(entrypoint === undefined ? {} : { Entrypoint: nonEmpty(entrypoint), Cmd: undefined }),
    ...(cmd === undefined ? {} : { Cmd: nonEmpty(cmd) }),
    ...(isEmpty(labels) ? {} : { Labels: { ...base.Labels, ...labels } }),
    ...(expose === undefined ? {} : { ExposedPorts: { ...base.ExposedPorts, ...requirePorts(expose) } }),
    ...(volumes === undefined ? {} : { Volumes: { ...base.Volumes, ...requireVolumes(volumes) } }),
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
    // Docker's word for "already quoted for Windows", of the old command.
    ArgsEscaped: undefined,
  };
}

function nonEmpty(words: readonly string[]): readonly string[] | undefined {
  return words.length > 0 ? words : undefined;
}

function isEmpty(map: object | undefined): boolean {
  return map === undefined || Object.keys(map).length === 0;
}

/** One entry a layer. */
function historyOf({ base, layers, created, createdBy }: ImageParts): readonly History[] {
  return [...baseHistory(base, created), ...layers.map((): History => ({ created, created_by: createdBy }))];
}

/** What the history of an image on a base begins with; one that does not fit the layers is made anew, or registries refuse it. */
export function baseHistory(base: Image | undefined, created: string): readonly History[] {
  const known = base?.config.history ?? [];
  const count = base?.layers.length ?? 0;
  const fits = known.filter((entry) => !entry.empty_layer).length === count;
  return fits ? known : Array.from({ length: count }, (): History => ({ created, comment: 'of the base' }));
}
