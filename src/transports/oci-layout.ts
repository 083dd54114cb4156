import { createReadStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import {
  Annotation,
  type Descriptor,
  type Digest,
  decodeIndex,
  digestAlgorithm,
  digestHex,
  encodeIndex,
  type IndexManifest,
  MediaType,
  parseJson,
} from '#oci-spec-types';
import type { BlobSource } from '../image/load.ts';
import type { Artifact, Blob, OpenOptions } from '../image/model.ts';
import { type Companions, NO_COMPANIONS } from '../image/referrer.ts';
import { writeArtifacts } from '../image/write.ts';
import {
  explainWriteError,
  removeOnInterrupt,
  writeBytesAtomically,
  writeStreamAtomically,
} from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import { Verifier } from '../lib/verify.ts';
import { companionDescriptors, type LayoutName, namedDescriptors } from './names.ts';

/** The content of `oci-layout` (image-spec image-layout.md). */
export const LAYOUT_MARKER = '{"imageLayoutVersion":"1.0.0"}';

/** A folder in the form of image-spec image-layout.md, to read from. */
export class OciLayout implements BlobSource {
  readonly name: string;
  readonly #root: string;

  constructor(root: string, shown: string = root) {
    this.#root = root;
    this.name = `oci:${shown}`;
  }

  /** The content of index.json. @throws OCISLIM_NOT_FOUND | OCISLIM_DOCUMENT_INVALID */
  async index(): Promise<IndexManifest> {
    const read = (file: string) =>
      readFile(join(this.#root, file)).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error;
        const isThere = existsSync(this.#root);
        throw new OcislimError(
          'OCISLIM_NOT_FOUND',
          `${this.name}: ${isThere ? 'no OCI layout' : 'no such folder'}`,
          {
            hint: isThere ? 'a layout has the files oci-layout and index.json' : undefined,
          },
        );
      });
    checkMarker(await read('oci-layout'), this.name);
    return decodeIndex(await read('index.json'), `${this.name}: index.json`);
  }

  async open(descriptor: Descriptor, { signal }: OpenOptions = {}): Promise<Readable> {
    const path = blobPath(this.#root, descriptor.digest);
    if (!existsSync(path)) {
      throw new OcislimError('OCISLIM_NOT_FOUND', `${this.name}: ${descriptor.digest} is not there`, {
        hint: 'the layout is incomplete: copy the image again',
      });
    }
    const verifier = new Verifier(descriptor, path);
    pipeline(createReadStream(path, { highWaterMark: 256 * 1024, signal }), verifier, () => {
      // The verifier carries the error to whoever reads it.
    });
    return verifier;
  }
}

function checkMarker(bytes: Uint8Array, what: string): void {
  const marker = parseJson(bytes, `${what}: oci-layout`);
  const version =
    typeof marker === 'object' &&
    marker !== null &&
    'imageLayoutVersion' in marker &&
    marker.imageLayoutVersion;
  if (typeof version === 'string' && version.startsWith('1.')) return;
  throw new OcislimError(
    'OCISLIM_DOCUMENT_INVALID',
    `${what}: a layout of version ${JSON.stringify(version)}`,
  );
}

function blobPath(root: string, digest: Digest): string {
  return join(root, 'blobs', digestAlgorithm(digest), digestHex(digest));
}

export interface LayoutImage {
  readonly artifact: Artifact;
  /** Other images there that have one of them lose it. */
  readonly names: readonly LayoutName[];
  /** Documents about it, which index.json lists, too. */
  readonly companions?: Companions | undefined;
}

/**
 * Writes an image to a layout folder. A new folder appears whole or not at all; in one that is a layout already the
 * other images stay, and index.json changes last.
 * @throws OCISLIM_OUTPUT_INVALID when something else is there, OCISLIM_DISK_FULL | OCISLIM_NOT_WRITABLE
 */
export async function writeLayout(
  root: string,
  image: LayoutImage,
  shown: string,
  options: OpenOptions,
): Promise<void> {
  const there = await lookAt(root, shown);
  if (there === 'layout') {
    await fill(root, image, await new OciLayout(root, shown).index(), options);
    return;
  }
  const parent = dirname(root);
  let kept: { forget(): void } | undefined;
  let temporary: string | undefined;
  try {
    await mkdir(parent, { recursive: true });
    temporary = await mkdtemp(join(parent, `.${basename(root).slice(0, 80)}.`));
    kept = removeOnInterrupt(temporary);
    await chmod(temporary, 0o755);
    await fill(temporary, image, undefined, options);
    if (there === 'empty') await rmdir(root);
    await rename(temporary, root);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw explainWriteError(error, shown);
  } finally {
    kept?.forget();
  }
}

async function lookAt(root: string, shown: string): Promise<'absent' | 'empty' | 'layout'> {
  const names = await readdir(root).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (systemCode(error) === 'ENOTDIR') throw notALayout(shown, 'a file');
    throw explainWriteError(error, shown);
  });
  if (names === undefined) return 'absent';
  if (names.includes('oci-layout') && names.includes('index.json')) return 'layout';
  if (names.length === 0) return 'empty';
  throw notALayout(shown, 'a folder that is not an OCI layout');
}

function notALayout(shown: string, what: string): OcislimError {
  return new OcislimError('OCISLIM_OUTPUT_INVALID', `${shown}: there is ${what} of that name already`, {
    hint: 'choose another name with -o oci:DIR, or remove it',
  });
}

async function fill(
  root: string,
  { artifact, names, companions = NO_COMPANIONS }: LayoutImage,
  before: IndexManifest | undefined,
  options: OpenOptions,
): Promise<void> {
  await mkdir(join(root, 'blobs', 'sha256'), { recursive: true });
  await writeArtifacts(
    [artifact, ...companions.referrers, ...companions.tagged.map((each) => each.artifact)],
    {
      blob: (blob, open) => putBlob(root, blob, open),
      manifest: async ({ descriptor, raw }) => {
        await writeBytesAtomically(blobPath(root, descriptor.digest), raw, { mode: 0o444 });
      },
    },
    options,
  );
  const added = [...namedDescriptors(artifact.descriptor, names), ...companionDescriptors(companions)];
  const others = before?.manifests.filter((other) => !isReplaced(other, added)) ?? [];
  const index = encodeIndex({
    ...before,
    schemaVersion: 2,
    mediaType: MediaType.Index,
    manifests: [...others, ...added],
  });
  if (before === undefined) await writeBytesAtomically(join(root, 'oci-layout'), LAYOUT_MARKER);
  await writeBytesAtomically(join(root, 'index.json'), index);
}

/** A name moves to the image that was written last; an image without a name is not listed twice. */
function isReplaced(other: Descriptor, added: readonly Descriptor[]): boolean {
  const name = (descriptor: Descriptor) =>
    descriptor.annotations?.[Annotation.ContainerdName] ?? descriptor.annotations?.[Annotation.RefName];
  return added.some((each) => {
    const sameName = name(each) === name(other);
    return name(each) === undefined ? sameName && each.digest === other.digest : sameName;
  });
}

async function putBlob(root: string, blob: Blob, { signal }: OpenOptions): Promise<void> {
  const path = blobPath(root, blob.descriptor.digest);
  if (existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  if (await blob.link?.(path)) return;
  const { size } = blob.descriptor;
  const content = await blob.open({ signal, transient: true });
  await writeStreamAtomically(path, content, { mode: 0o444, signal, size });
}
