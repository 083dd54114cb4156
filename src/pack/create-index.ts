import { indexOf } from '../image/index-of.ts';
import type { Image } from '../image/model.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, parseReference } from '../registry/reference.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { type Delivery, keepAndDeliver, planDelivery } from './deliver.ts';
import type { Moved } from './move.ts';

export interface IndexRequest {
  readonly names: readonly string[];
  readonly sources: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly push: boolean;
  readonly outputs: readonly string[];
}

/** Joins images, each for a platform of its own, into one index; the members of an index given are taken singly. */
export async function createIndex(
  request: IndexRequest,
  context: Context,
): Promise<Moved & { readonly outputs: readonly Delivery[] }> {
  const references = request.names.map((name) => parseReference(name));
  const plan = planDelivery(request.outputs, request.push, false);
  const images: Image[] = [];
  for (const source of request.sources)
    images.push(...(await within(source, () => imagesAt(source, context))));
  const index = indexOf(images, { annotations: request.annotations });
  const outputs = await keepAndDeliver({ artifact: index, references, created: 0 }, plan, context);
  const [first] = references;
  return {
    name: first === undefined ? '' : familiarReference(first),
    digest: index.descriptor.digest,
    mediaType: index.descriptor.mediaType,
    outputs,
  };
}

async function imagesAt(source: string, context: Context): Promise<Image[]> {
  const { artifact } = await openSource(parseLocation(source, { default: 'any' }), context);
  if (artifact.kind === 'image') return [artifact];
  if (artifact.kind === 'opaque') {
    throw new OcislimError(
      'OCISLIM_DOCUMENT_INVALID',
      'not an image, so it cannot be in an index of platforms',
    );
  }
  const members: Image[] = [];
  for (const descriptor of artifact.index.manifests) {
    if (descriptor.platform?.os === 'unknown') continue;
    const member = await artifact.member(descriptor, { signal: context.signal });
    if (member.kind === 'image') members.push(member);
  }
  return members;
}
