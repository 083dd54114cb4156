import type { ContainerConfig, History } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import type { Image } from './model.ts';
import { baseHistory, composeImage } from './mutate.ts';

export interface Rebase {
  readonly image: Image;
  /** The base that it was made on. */
  readonly old: Image;
  readonly base: Image;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * An image with the same layers of its own on another base. Of the configuration the image keeps what it had changed,
 * and has the rest from the new base.
 * @throws OCISLIM_USAGE where its lower layers are not the old base's
 */
export function rebaseImage({ image, old, base, annotations }: Rebase): Image {
  const count = old.layers.length;
  const isOnOld = old.layers.every(({ diffId }, at) => diffId === image.layers[at]?.diffId);
  if (!isOnOld || count > image.layers.length)
    throw new OcislimError('OCISLIM_USAGE', 'its lower layers are not those of the base that it records', {
      hint: 'name the image that it was made on with --old-base',
    });
  const created = image.config.created ?? '1970-01-01T00:00:00Z';
  return composeImage({
    base,
    layers: [...base.layers, ...image.layers.slice(count)],
    platform: { os: base.config.os, architecture: base.config.architecture },
    created,
    author: image.config.author,
    config: rebaseConfig(image.config.config ?? {}, old.config.config ?? {}, base.config.config ?? {}),
    history: [...baseHistory(base, created), ...ownHistory(image, old)],
    annotations,
  });
}

/** The steps above the old base's; made anew where they do not fit the layers, or registries refuse it. */
function ownHistory({ config, layers }: Image, old: Image): readonly History[] {
  const { created = '1970-01-01T00:00:00Z' } = config;
  const own = (config.history ?? []).slice(baseHistory(old, created).length);
  const count = layers.length - old.layers.length;
  const fits = own.filter((entry) => !entry.empty_layer).length === count;
  return fits ? own : Array.from({ length: count }, (): History => ({ created }));
}

/** What an image had changed of its old base's configuration, changed in the new base's. */
export function rebaseConfig(
  own: ContainerConfig,
  old: ContainerConfig,
  base: ContainerConfig,
): ContainerConfig {
  const keys = new Set([...Object.keys(own), ...Object.keys(base)]) as Set<keyof ContainerConfig>;
  const merged = Object.fromEntries(
    [...keys].map((key) => [key, isSame(own[key], old[key]) ? base[key] : own[key]]),
  );
  return {
    ...merged,
    // Arguments go with the command that they are for (Dockerfile reference, CMD and ENTRYPOINT).
    ...(isSame(own.Entrypoint, old.Entrypoint) ? {} : { Cmd: own.Cmd }),
    Env: orNone(mergedEnv(own.Env ?? [], old.Env ?? [], base.Env ?? []), own.Env),
    Labels: orNone(mergedMap(own.Labels, old.Labels, base.Labels), own.Labels),
    ExposedPorts: orNone(mergedMap(own.ExposedPorts, old.ExposedPorts, base.ExposedPorts), own.ExposedPorts),
    Volumes: orNone(mergedMap(own.Volumes, old.Volumes, base.Volumes), own.Volumes),
  };
}

/** What is empty is left out, unless the image had written it though it was. */
function orNone<T extends object>(merged: T, own: T | null | undefined): T | undefined {
  if (Object.keys(merged).length > 0) return merged;
  return own !== null && own !== undefined && Object.keys(own).length === 0 ? own : undefined;
}

/** Variables by name: in the base's order, then those that are new. */
function mergedEnv(
  own: readonly string[],
  old: readonly string[],
  base: readonly string[],
): readonly string[] {
  const byName = (lines: readonly string[]) =>
    Object.fromEntries(lines.map((line) => [line.split('=', 1)[0] ?? line, line]));
  return Object.values(mergedMap(byName(own), byName(old), byName(base)));
}

type Entries<T> = Readonly<Record<string, T>> | null | undefined;

function mergedMap<T>(own: Entries<T>, old: Entries<T>, base: Entries<T>): Record<string, T> {
  const merged = new Map(Object.entries(base ?? {}));
  for (const key of Object.keys(old ?? {})) if (!Object.hasOwn(own ?? {}, key)) merged.delete(key);
  for (const [key, value] of Object.entries(own ?? {}))
    if (!Object.hasOwn(old ?? {}, key) || !isSame(value, old?.[key])) merged.set(key, value);
  return Object.fromEntries(merged);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
}
