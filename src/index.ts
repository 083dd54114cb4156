/**
 * The library: what the command line is made of, for programs that assemble images themselves.
 *
 *     import { openContext, openSource, parseLocation, writeOutput } from 'ocislim';
 *
 *     const context = await openContext();
 *     const { artifact } = await openSource(parseLocation('alpine'), context);
 *     await writeOutput(parseLocation('oci:alpine'), { artifact, references: [], created: 0 }, context);
 *     await context.close();
 */
export type { Descriptor, Digest, ImageConfig, IndexManifest, Manifest, Platform } from '#oci-spec-types';
export { formatPlatform, parsePlatform } from '#oci-spec-types';
export { build } from './build/build.ts';
export type { BuildRequest, SecretSource } from './build/request.ts';
export { type Lock, readLock } from './config/lock-file.ts';
export { indexOf } from './image/index-of.ts';
export type { Artifact, Blob, Image, Index, Layer, Opaque, OpenOptions } from './image/model.ts';
export { buildImage, type ConfigChanges, type ImageParts } from './image/mutate.ts';
export { imageFor } from './image/select.ts';
export { validateArtifact } from './image/validate.ts';
export { type LayerOptions, type LayerStream, layerStream } from './layer/build.ts';
export type { CompressionChoice } from './layer/compression.ts';
export type { Entry } from './layer/entry.ts';
export { type ErrorCode, OcislimError } from './lib/errors.ts';
export type { Progress, ProgressTask } from './lib/progress.ts';
export { type ContextOptions, openContext } from './pack/open-context.ts';
export { pack } from './pack/pack.ts';
export { type RebaseRequest, rebase } from './pack/rebase.ts';
export type { PackedLayer, PackedPlatform, PackRequest, PackResult } from './pack/request.ts';
export { type Signed, type Signer, type SignOptions, sign } from './pack/sign.ts';
export { type Verified, type VerifyRequest, verify } from './pack/verify.ts';
export { formatReference, parseReference, type Reference } from './registry/reference.ts';
export { generateKeyPair, type NamedKey, readPrivateKey, readPublicKey } from './sign/key.ts';
export type { Context, PinnedImages } from './transports/context.ts';
export { type Output, openSource, type Source, type Written, writeOutput } from './transports/index.ts';
export { type Location, parseLocation } from './transports/location.ts';
