import { checkImage } from '../check/check.ts';
import { platformOfConfig } from '../image/load.ts';
import type { Image, Layer } from '../image/model.ts';
import type { CompressionChoice } from '../layer/compression.ts';
import type { Toc } from '../layer/toc.ts';
import { openBase } from '../pack/base.ts';
import { mergeTocs } from '../rootfs/tree.ts';
import { ignoreReadOnly } from '../store/tocs.ts';
import type { Context } from '../transports/context.ts';
import type { ShippedFile } from './account.ts';
import { compressedSize, compressionOfLayer } from './contents.ts';
import type { ExplainedProgram, Saving } from './model.ts';

/** What is known of an image before anybody asks what could be saved. */
export interface Known {
  readonly image: Image;
  readonly layers: readonly Layer[];
  readonly tocs: readonly Toc[];
  readonly files: readonly ShippedFile[];
  readonly hiddenSize: number;
  readonly duplicateSize: number;
  readonly programs: readonly ExplainedProgram[];
}

/** `created_by` of layers that ocislim put on a base. */
const OWN_STEP = /^ocislim pack\b/;
/** Bases that ocislim has itself, from the smallest on. */
const OWN_BASES = ['scratch', 'static'] as const;

/** What could be saved. Only what was counted, or tried, is said. */
export async function savingsOf(
  known: Known,
  { compression }: { readonly compression?: CompressionChoice | undefined },
  context: Context,
): Promise<readonly Saving[]> {
  const { hiddenSize, duplicateSize } = known;
  const savings: (Saving | undefined)[] = [
    {
      kind: 'hidden',
      bytes: hiddenSize,
      of: 'unpacked',
      message: 'not to ship what upper layers delete or replace',
    },
    { kind: 'duplicates', bytes: duplicateSize, of: 'unpacked', message: 'to ship the same content once' },
    stripping(known),
    // The base that is tried goes into the store; one that may not be written is asked nothing.
    (await otherBase(known, context).catch(ignoreReadOnly)) ?? undefined,
    compression === undefined ? undefined : await otherCompression(known, compression, context),
  ];
  return savings.filter((saving) => saving !== undefined && saving.bytes > 0) as Saving[];
}

function stripping({ files, programs }: Known): Saving {
  const inside = new Map(programs.map((program) => [`${program.layer}:${program.path}`, program.debugBytes]));
  const found = files
    .filter(({ hidden }) => hidden === undefined)
    .map(({ layer, path, facts }) => inside.get(`${layer}:${path}`) ?? facts?.elf?.debugBytes ?? 0)
    .filter((bytes) => bytes > 0);
  const count = found.length === 1 ? 'the program that has' : `the ${found.length} programs that have`;
  return {
    kind: 'strip',
    bytes: found.reduce((sum, bytes) => sum + bytes, 0),
    of: 'unpacked',
    message: `to strip ${count} symbols and debug data`,
  };
}

/** Whether the layers that `pack` added would start on a base of ocislim's own, as the check judges it. */
async function otherBase({ image, tocs }: Known, context: Context): Promise<Saving | undefined> {
  const steps = (image.config.history ?? []).filter((entry) => !entry.empty_layer);
  const first = steps.findIndex((step) => OWN_STEP.test(step.created_by ?? ''));
  if (first < 1 || steps.length !== tocs.length) return undefined;
  const sizeOf = (list: readonly Toc[]) => list.reduce((sum, toc) => sum + toc.contentSize, 0);
  const before = sizeOf(tocs.slice(0, first));
  const platform = platformOfConfig(image.config);
  for (const name of OWN_BASES) {
    const base = await (await openBase(name, context, 0)).image(platform);
    const below: Toc[] = [];
    for (const layer of base?.layers ?? [])
      below.push(await context.store.tocs.get(layer, { signal: context.signal }));
    const tree = mergeTocs([...below, ...tocs.slice(first)]);
    const findings = await checkImage({ tree, config: image.config.config ?? {}, platform, base: name });
    if (findings.length > 0) continue;
    const message = `to put it on ${name}, on which the check has nothing to complain of`;
    return { kind: 'base', bytes: before - sizeOf(below), of: 'unpacked', message };
  }
  return undefined;
}

async function otherCompression(
  { layers }: Known,
  choice: CompressionChoice,
  { signal, progress }: Context,
): Promise<Saving> {
  let bytes = 0;
  for (const [at, layer] of layers.entries()) {
    // The same kind at an unknown level may come out either way; it is left as it is, unless a level is asked for.
    if (compressionOfLayer(layer) === choice.kind && choice.level === undefined) continue;
    const task = progress.task(`compressing layer ${at + 1} of ${layers.length}`, layer.descriptor.size);
    bytes += layer.descriptor.size - (await compressedSize(layer, choice, { signal }));
    task.done();
  }
  const level = choice.level === undefined ? '' : `:${choice.level}`;
  return {
    kind: 'compression',
    bytes,
    of: 'pull',
    message: `to compress its layers with ${choice.kind}${level}`,
  };
}
