import { formatPlatform } from '#oci-spec-types';
import type { Image, Layer } from '../image/model.ts';
import { composeImage } from '../image/mutate.ts';
import { isoTime } from '../lib/time.ts';
import { baseAnnotations } from '../pack/base-annotations.ts';
import { layersAtHand } from '../pack/layers.ts';
import { compressLayer } from './compress-layer.ts';
import type { BuildEnvironment, BuiltStage } from './environment.ts';
import type { StageState } from './state.ts';

/** The image that a stage is: its base's layers as they were, its own compressed. */
export async function imageOf(
  { state, tree, base: named }: BuiltStage,
  { request, context, platform }: BuildEnvironment,
): Promise<Image> {
  let whole = state;
  if (request.squash) {
    const { squash } = await import('./squash.ts');
    whole = await squash(state, await tree.of(state.layers), request.created, context);
  }
  const { base, layers, history, config, author } = whole;
  const count = base?.layers.length ?? 0;
  const below = await layersAtHand(layers.slice(0, count), context);
  const own: Layer[] = [];
  for (const [at, layer] of layers.slice(count).entries()) {
    const label = `layer ${at + 1} of ${layers.length - count} ${formatPlatform(platform)}`;
    own.push(await compressLayer(layer, request.compression, label, context));
  }
  const created = isoTime(request.created);
  return composeImage({
    base,
    layers: [...below, ...own],
    platform,
    created,
    author,
    config: { ...config, ...labelsOf(config, request.labels) },
    history: history.map((entry) => ({ created, ...entry })),
    annotations: { ...request.annotations, ...baseAnnotations(named, base) },
  });
}

function labelsOf(
  { Labels }: StageState['config'],
  labels: Readonly<Record<string, string>>,
): Pick<StageState['config'], 'Labels'> {
  return Object.keys(labels).length === 0 ? {} : { Labels: { ...Labels, ...labels } };
}
