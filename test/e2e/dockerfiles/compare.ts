import type { ContainerConfig } from '#oci-spec-types';
import type { Image } from '../../../src/image/model.ts';
import { type Listing, layersOf, mergedListing } from '../../support/merged.ts';

/** All that is compared of an image. */
export interface Picture {
  readonly files: Listing;
  readonly config: Readonly<Record<string, unknown>>;
  /** An instruction each: whether it says that it made no layer, and whether what it made holds anything but folders. */
  readonly history: readonly { readonly isEmpty: boolean; readonly hasFiles: boolean }[];
}

const FIELDS = [
  ...['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal'],
  ...['Healthcheck', 'OnBuild', 'Shell'],
] as const;

export async function pictureOf(image: Image): Promise<Picture> {
  const layers = await layersOf(image);
  let next = 0;
  const history = (image.config.history ?? []).map(({ empty_layer: isEmpty = false }) => {
    const members = isEmpty ? [] : (layers[next++] ?? []);
    return { isEmpty, hasFiles: members.some(({ isFolder }) => !isFolder) };
  });
  return { files: await mergedListing(image), config: fieldsOf(image.config.config ?? {}), history };
}

/** The fields that are compared; builders do not agree on how they say that there is nothing. */
function fieldsOf(config: ContainerConfig): Record<string, unknown> {
  const all: Readonly<Record<string, unknown>> = { ...config };
  const said = FIELDS.map((name): [string, unknown] => [name, all[name]]);
  const fields = Object.fromEntries(said.filter(([, value]) => !isNothing(value)));
  // buildah says on every image who made it.
  const { 'io.buildah.version': _, ...Labels } = { ...config.Labels };
  if (isNothing(Labels)) delete fields['Labels'];
  else fields['Labels'] = Labels;
  // BuildKit writes `/` where the classic builder writes nothing.
  return { ...fields, WorkingDir: fields['WorkingDir'] ?? '/' };
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** What of the config is not as the base has it; `null` for what is gone. */
export function configChanges(base: Picture, made: Picture): Record<string, unknown> {
  const names = [...new Set([...Object.keys(base.config), ...Object.keys(made.config)])].sort();
  const changed = names.filter((name) => !same(base.config[name], made.config[name]));
  return Object.fromEntries(changed.map((name) => [name, made.config[name] ?? null]));
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

export const NOTHING: Picture = { files: new Map(), config: { WorkingDir: '/' }, history: [] };
