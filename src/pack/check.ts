import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatPlatform } from '#oci-spec-types';
import { checkImage } from '../check/check.ts';
import { distinct, type Finding } from '../check/finding.ts';
import { imagesOf } from '../image/images-of.ts';
import { platformOfConfig } from '../image/load.ts';
import { imageFor } from '../image/select.ts';
import { OcislimError, within } from '../lib/errors.ts';
import { familiarReference, parseReference } from '../registry/reference.ts';
import { mergeTocs } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import { openSource } from '../transports/index.ts';
import { parseLocation } from '../transports/location.ts';
import { findOrCompile } from './compile.ts';
import { isPattern } from './inputs.ts';
import { prepareAll, requirePinnedImages } from './pack.ts';
import { tocsOf } from './prepare.ts';
import type { PackRequest } from './request.ts';

/** What `check` has found; the object that `--json` prints. */
export interface CheckResult {
  readonly name: string;
  /** What a program was looked at on; of an image that was there already there is none. */
  readonly base?: string | undefined;
  readonly platforms: readonly string[];
  /** Whether nothing was found that keeps it from starting, on any of the platforms. */
  readonly starts: boolean;
  readonly check: readonly Finding[];
}

/** Whether a word of the command line means a file here, a pattern of files, or source. */
export async function isFile(what: string, cwd: string): Promise<boolean> {
  if (isPattern(what)) return true;
  const found = await stat(resolve(cwd, what)).catch(() => undefined);
  // What is spelled as a path is one; `alpine` is an image, though a folder be called so.
  return (found?.isFile() ?? false) || (found?.isDirectory() === true && /^\.{0,2}\/|^\.{1,2}$/.test(what));
}

/** Looks at what `pack` would make of a request, and makes nothing. */
export async function checkPacked(request: PackRequest, context: Context): Promise<CheckResult> {
  await requirePinnedImages(request, context);
  const found = await findOrCompile(request, context);
  try {
    const { base, prepared } = await prepareAll(found, request, context);
    return resultOf(
      request.path,
      base.name,
      prepared.map(({ input }) => formatPlatform(input.platform)),
      prepared.flatMap(({ findings }) => findings),
    );
  } finally {
    await found.dispose();
  }
}

/** Looks at an image that is there already, on each platform that it has or that was asked for. */
export async function checkNamed(name: string, request: PackRequest, context: Context): Promise<CheckResult> {
  return within(name, async () => {
    const { signal, store, progress } = context;
    const { artifact, reference } = await openSource(parseLocation(name, { default: 'any' }), context);
    const images =
      request.platforms.length === 0
        ? await imagesOf(artifact, { signal })
        : await Promise.all(request.platforms.map((wanted) => imageFor(artifact, wanted, { signal })));
    if (images.length === 0)
      throw new OcislimError('OCISLIM_DOCUMENT_INVALID', 'holds no image that could be started');
    const shown = reference === undefined ? name : familiarReference(parseReference(reference));
    const findings: Finding[] = [];
    for (const image of images) {
      const layers = [];
      // Layers of a registry come into the store, where a transfer that breaks off is resumed.
      for (const layer of image.layers)
        layers.push(
          (await store.tocs.known(layer)) ? layer : await store.ensure(layer, { signal, progress }),
        );
      const tree = mergeTocs(await tocsOf({ ...image, layers }, context));
      const [config, platform] = [image.config.config ?? {}, platformOfConfig(image.config)];
      findings.push(...(await checkImage({ tree, config, platform, base: shown })));
    }
    const ignored = new Set<string>(request.ignore);
    return resultOf(
      shown,
      undefined,
      images.map((image) => formatPlatform(platformOfConfig(image.config))),
      findings.filter(({ rule }) => !ignored.has(rule)),
    );
  });
}

function resultOf(
  name: string,
  base: string | undefined,
  platforms: readonly string[],
  findings: readonly Finding[],
): CheckResult {
  const check = distinct(findings);
  return { name, base, platforms, starts: !check.some(({ level }) => level === 'error'), check };
}
