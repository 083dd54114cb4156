import { createHash } from 'node:crypto';
import {
  type Descriptor,
  type Digest,
  decodeConfig,
  decodeIndex,
  decodeManifest,
  digestAlgorithm,
  digestHex,
  formatPlatform,
  MediaType,
  sha256,
} from '#oci-spec-types';
import { readToc } from '../layer/read-toc.ts';
import { type ErrorCode, OcislimError } from '../lib/errors.ts';
import { platformOfConfig } from './load.ts';
import type { Artifact, Blob, Image, Index, Layer, OpenOptions } from './model.ts';

/**
 * Checks everything an artifact claims against its bytes: digests and sizes of all documents and blobs, diffIDs,
 * history, platforms, and that OCI and Docker media types are not mixed.
 * @returns what is wrong, one line each; empty when all of it is right
 */
export async function validateArtifact(
  artifact: Artifact,
  options: OpenOptions = {},
): Promise<readonly string[]> {
  const problems = documentProblems(artifact.raw, artifact.descriptor, 'manifest');
  switch (artifact.kind) {
    case 'index':
      return [...problems, ...(await indexProblems(artifact, options))];
    case 'image':
      return [...problems, ...(await imageProblems(artifact, options))];
    case 'opaque':
      return [...problems, ...(await blobProblems(artifact.blobs, options))];
  }
}

function documentProblems(raw: Uint8Array, { digest, size }: Descriptor, what: string): string[] {
  const actual = sha256(raw);
  return [
    ...(actual === digest ? [] : [`${what}: has digest ${actual}, descriptor says ${digest}`]),
    ...(raw.length === size ? [] : [`${what}: has ${raw.length} bytes, descriptor says ${size}`]),
  ];
}

async function indexProblems(index: Index, options: OpenOptions): Promise<string[]> {
  const problems: string[] = [];
  for (const descriptor of decodeIndex(index.raw).manifests) {
    let member: Artifact;
    try {
      member = await index.member(descriptor, options);
    } catch (error) {
      problems.push(`${descriptor.digest}: ${reason(error)}`);
      continue;
    }
    if (member.descriptor.digest !== descriptor.digest)
      problems.push(`index: member ${descriptor.digest} opens as ${member.descriptor.digest}`);
    if (member.kind === 'image' && descriptor.platform !== undefined) {
      const [claimed, own] = [descriptor.platform, platformOfConfig(member.config)].map(formatPlatform);
      if (claimed !== own)
        problems.push(`index: member ${descriptor.digest} is ${own}, listed as ${claimed}`);
    }
    for (const problem of await validateArtifact(member, options))
      problems.push(`${descriptor.digest}: ${problem}`);
  }
  return problems;
}

async function imageProblems(image: Image, options: OpenOptions): Promise<string[]> {
  const manifest = decodeManifest(image.raw);
  const config = decodeConfig(image.rawConfig);
  const problems = documentProblems(image.rawConfig, manifest.config, 'config');
  const say = (problem: string) => void problems.push(problem);
  const types = [
    manifest.mediaType ?? MediaType.Manifest,
    manifest.config.mediaType,
    ...manifest.layers.map((l) => l.mediaType),
  ];
  const ofDocker = types.filter((type) => type.includes('docker')).length;
  if (ofDocker !== 0 && ofDocker !== types.length) say('manifest: mixes media types of OCI and Docker');
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length)
    say(`config: ${diffIds.length} diff_ids for ${manifest.layers.length} layers`);
  const steps = (config.history ?? []).filter((entry) => !entry.empty_layer).length;
  if (config.history && steps !== manifest.layers.length)
    say(`config: history has ${steps} layers, manifest ${manifest.layers.length}`);
  for (const [at, layer] of image.layers.entries()) {
    const { digest } = layer.descriptor;
    if (digest !== manifest.layers[at]?.digest) say(`layer ${at}: is ${digest}, manifest says otherwise`);
    problems.push(...(await layerProblems(layer, diffIds[at], options)));
  }
  return problems;
}

/** Reads a layer once for both of its digests, which may mean to fetch it; twice where the first time ends early. */
async function layerProblems(
  layer: Layer,
  expected: Digest | undefined,
  options: OpenOptions,
): Promise<string[]> {
  const { digest, mediaType } = layer.descriptor;
  const count = counter(digest);
  try {
    const stream = await layer.open(options);
    stream.on('data', count.take).pause();
    const { diffId } = await readToc(stream, mediaType, options);
    const wrong =
      diffId === expected ? [] : [`layer ${digest}: unpacks to ${diffId}, config says ${expected}`];
    return [
      ...(stream.readableEnded ? count.problems(layer) : await blobProblems([layer], options)),
      ...wrong,
    ];
  } catch (error) {
    const why = `layer ${digest}: ${reason(error)}`;
    return [...(await blobProblems([layer], options)), why];
  }
}

/** Counts and hashes what passes. */
function counter(digest: Digest) {
  const hash = createHash(digestAlgorithm(digest));
  let seen = 0;
  return {
    take: (chunk: Uint8Array) => {
      seen += chunk.length;
      hash.update(chunk);
    },
    problems: ({ descriptor: { size } }: Blob): string[] => {
      const actual = hash.digest('hex');
      return [
        ...(seen === size ? [] : [`blob ${digest}: ${seen} bytes, descriptor says ${size}`]),
        ...(actual === digestHex(digest) ? [] : [`blob ${digest}: has digest ${actual}`]),
      ];
    },
  };
}

/** Hashes blobs itself, so that a source which forgets to verify does not pass. */
async function blobProblems(blobs: readonly Blob[], options: OpenOptions): Promise<string[]> {
  const problems: string[] = [];
  for (const blob of blobs) {
    const { digest } = blob.descriptor;
    const count = counter(digest);
    try {
      for await (const chunk of await blob.open(options)) count.take(chunk as Uint8Array);
    } catch (error) {
      problems.push(`blob ${digest}: ${reason(error)}`);
      continue;
    }
    problems.push(...count.problems(blob));
  }
  return problems;
}

/** What is wrong with content, told apart from a registry that does not answer and from an interrupt. */
const ABOUT_CONTENT: readonly ErrorCode[] = [
  'OCISLIM_DIGEST_INVALID',
  'OCISLIM_DIGEST_MISMATCH',
  'OCISLIM_SIZE_MISMATCH',
  'OCISLIM_DOCUMENT_INVALID',
  'OCISLIM_ARCHIVE_INVALID',
  'OCISLIM_NOT_FOUND',
  'OCISLIM_BLOB_UNKNOWN',
  'OCISLIM_MANIFEST_UNKNOWN',
];

export function isAboutContent(error: unknown): error is OcislimError {
  return error instanceof OcislimError && ABOUT_CONTENT.includes(error.code);
}

function reason(error: unknown): string {
  if (isAboutContent(error)) return error.message;
  throw error;
}
