import type { Descriptor, ImageConfig, IndexManifest, Manifest } from './documents.ts';

/**
 * Writes documents as bytes, the same for the same content: known keys in the specification's order, any other
 * key after them in alphabetical order, maps sorted, undefined left out. The digest of an image hangs on this.
 */
export function encodeManifest(manifest: Manifest): Buffer {
  return encode(
    ordered(
      manifest,
      ['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'subject', 'annotations'],
      {
        config: orderedDescriptor,
        layers: (layers) => layers.map(orderedDescriptor),
        subject: orderedDescriptor,
        annotations: sortedMap,
      },
    ),
  );
}

export function encodeIndex(index: IndexManifest): Buffer {
  return encode(
    ordered(index, ['schemaVersion', 'mediaType', 'artifactType', 'manifests', 'subject', 'annotations'], {
      manifests: (manifests) => manifests.map(orderedDescriptor),
      subject: orderedDescriptor,
      annotations: sortedMap,
    }),
  );
}

export function encodeConfig(config: ImageConfig): Buffer {
  return encode(
    ordered(
      config,
      [
        'created',
        'author',
        'architecture',
        'variant',
        'os',
        'os.version',
        'os.features',
        'config',
        'rootfs',
        'history',
      ],
      {
        config: (inner) =>
          inner &&
          ordered(inner, CONTAINER_KEYS, { Labels: sortedMap, ExposedPorts: sortedMap, Volumes: sortedMap }),
        rootfs: (rootfs) => ({ type: rootfs.type, diff_ids: rootfs.diff_ids }),
        history: (history) =>
          history?.map((entry) =>
            ordered(entry, ['created', 'created_by', 'author', 'comment', 'empty_layer'], {}),
          ),
      },
    ),
  );
}

const CONTAINER_KEYS = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
] as const;

function orderedDescriptor(descriptor: Descriptor): object {
  return ordered(
    descriptor,
    ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'artifactType', 'platform'],
    {
      annotations: sortedMap,
      platform: (platform) =>
        ordered(platform, ['architecture', 'os', 'os.version', 'os.features', 'variant'], {}),
    },
  );
}

type Shapers<T> = { readonly [K in keyof T]?: (value: NonNullable<T[K]>) => unknown };

function ordered<T extends object>(value: T, keys: readonly (keyof T & string)[], shape: Shapers<T>): object {
  const extra = Object.keys(value)
    .filter((key) => !(keys as readonly string[]).includes(key))
    .sort() as (keyof T & string)[];
  const entries = [...keys, ...extra]
    .filter((key) => value[key] !== undefined)
    .map((key) => {
      const member = value[key];
      const shaper = shape[key];
      return [
        key,
        shaper && member !== null ? shaper(member as NonNullable<T[typeof key]>) : member,
      ] as const;
    });
  return Object.fromEntries(entries);
}

function sortedMap<T>(map: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function encode(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}
