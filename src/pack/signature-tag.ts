import { type Digest, encodeManifest, type Manifest, MediaType, sha256 } from '#oci-spec-types';
import { blobsOf, memoryBlob } from '../image/blob.ts';
import type { Blob, Opaque } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { readVerified } from '../lib/verify.ts';
import type { Reference } from '../registry/reference.ts';
import { SIGNATURE_ANNOTATION, SIMPLE_SIGNING } from '../sign/simple-signing.ts';
import { type CompanionSource, ofRegistry } from '../transports/companions.ts';
import type { Context } from '../transports/context.ts';
import { pushToRegistry } from '../transports/registry.ts';
import { digestTag } from './digest-tags.ts';

/**
 * Where cosign 2 keeps signatures of a manifest: as the layers of an image with a tag that is made of the manifest's
 * digest (cosign's specs/SIGNATURE_SPEC.md).
 */

/** Payloads are some hundred bytes; annotations that a signer adds to them are for people, too. */
const PAYLOAD_LIMIT = 64 * 1024;
/** More than anybody signs one image; whoever may write the tag could else have us read for ever. */
const SIGNATURES_LIMIT = 500;

export interface TaggedSignature {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

interface Tagged {
  readonly signatures: readonly TaggedSignature[];
  readonly layers: readonly Blob[];
}

/** @throws OCISLIM_DOCUMENT_INVALID for what is no such image, what the registry's client throws */
export async function readSignatureTag(
  source: CompanionSource,
  digest: Digest,
  context: Context,
): Promise<readonly TaggedSignature[]> {
  return (await readTag(source, digest, context)).signatures;
}

/** Adds a signature to those that are there. */
export async function addToSignatureTag(
  reference: Reference,
  digest: Digest,
  { payload, signature }: TaggedSignature,
  context: Context,
): Promise<void> {
  const { registry, repository } = reference;
  const tag: Reference = { registry, repository, tag: digestTag(digest, 'sig') };
  const { layers } = await readTag(ofRegistry(reference, context), digest, context);
  const blob = memoryBlob(payload, SIMPLE_SIGNING);
  const annotations = { [SIGNATURE_ANNOTATION]: Buffer.from(signature).toString('base64') };
  const added: Blob = { ...blob, descriptor: { ...blob.descriptor, annotations } };
  await pushToRegistry(signatureImage([...layers, added]), [tag], context);
}

async function readTag(source: CompanionSource, digest: Digest, { signal }: Context): Promise<Tagged> {
  const tag = digestTag(digest, 'sig');
  const found = await source.tagged(tag, { signal });
  if (found === undefined) return { signatures: [], layers: [] };
  const what = `${source.name}:${tag}`;
  if (found.kind === 'index') throw invalid(what, `a ${found.descriptor.mediaType}`);
  if (found.manifest.layers.length > SIGNATURES_LIMIT)
    throw invalid(what, `more than ${SIGNATURES_LIMIT} signatures`);
  // The configuration comes first.
  const layers = blobsOf(found).slice(1);
  const signatures: TaggedSignature[] = [];
  for (const { descriptor: layer, open } of layers) {
    const text = layer.annotations?.[SIGNATURE_ANNOTATION];
    if (layer.mediaType !== SIMPLE_SIGNING || text === undefined) continue;
    if (layer.size > PAYLOAD_LIMIT) throw invalid(what, `a payload of ${layer.size} bytes`);
    const payload = await readVerified(await open({ signal }), layer);
    signatures.push({ payload, signature: Buffer.from(text, 'base64') });
  }
  return { signatures, layers };
}

/** It looks like an image, for registries that take nothing else; the configuration is the one that cosign writes. */
function signatureImage(layers: readonly Blob[]): Opaque {
  const never = '0001-01-01T00:00:00Z';
  const diffIds = layers.map(({ descriptor }) => descriptor.digest);
  const rawConfig = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: never,
      history: layers.map(() => ({ created: never })),
      os: '',
      rootfs: { type: 'layers', diff_ids: diffIds },
      config: {},
    }),
  );
  const config = memoryBlob(rawConfig, MediaType.Config);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  };
  const raw = encodeManifest(manifest);
  const descriptor = { mediaType: MediaType.Manifest, digest: sha256(raw), size: raw.length };
  return { kind: 'opaque', descriptor, raw, manifest, blobs: [config, ...layers] };
}

function invalid(what: string, why: string): OcislimError {
  return new OcislimError('OCISLIM_DOCUMENT_INVALID', `${what}: holds no signatures: ${why}`);
}
