/**
 * The library: what the command line is made of, for programs that assemble images themselves. A use case takes what it
 * is asked for and a `Context`, which has the store, the registries, who is told of progress, and the signal that ends it:
 *
 *     import { openContext, pack, packRequest } from 'ocislim';
 *
 *     const context = await openContext();
 *     const result = await pack(packRequest({ path: './hello', base: 'alpine', tag: ['me/hello:1'] }), context);
 *     await context.close();
 */

// The context

export { type Lock, readLock } from './config/lock-file.ts';
export type { Progress, ProgressStep, ProgressTask } from './lib/progress.ts';
export { type ProgressEvent, progressEvents } from './library/progress-events.ts';
export { type ContextOptions, openContext } from './pack/open-context.ts';
export type { Context, OpenedImage, PinnedImages } from './transports/context.ts';

// Making images

export { build } from './build/build.ts';
export type { BuildRequest, SecretSource } from './build/request.ts';
export type { CheckLevel } from './check/verdict.ts';
export type { BuildOptions } from './commands/build-settings.ts';
export type { PackSettings } from './config/settings.ts';
export type { ConfigChanges } from './image/mutate.ts';
export {
  type BuildRequestSettings,
  buildRequest,
  type PackRequestSettings,
  packRequest,
} from './library/requests.ts';
export { createIndex, type IndexRequest } from './pack/create-index.ts';
export type { Delivery, Push } from './pack/deliver.ts';
export type { DocumentsRequest } from './pack/documents.ts';
export { pack } from './pack/pack.ts';
export { type RebaseRequest, rebase } from './pack/rebase.ts';
export type {
  AttachedDocument,
  CompileRequest,
  PackedLayer,
  PackedPlatform,
  PackRequest,
  PackResult,
} from './pack/request.ts';
export type { SandboxName } from './sandbox/choose.ts';
export type { Network } from './sandbox/room.ts';

// Moving images

export { type CopyOptions, copy, type Moved, type PlatformChoice, pull, push } from './pack/move.ts';
export { type Served, type ServeRequest, serve } from './serve/serve.ts';
export type { RunningServer, ServerOptions } from './serve/server.ts';

// Looking into images

export type { Finding, RuleId } from './check/finding.ts';
export type { Duplicate, Hidden } from './explain/account.ts';
export { difference, type ExplainOptions, explain } from './explain/explain.ts';
export type {
  ChangedFile,
  ChangedPart,
  ChangedSetting,
  Difference,
  DifferentImage,
  ExplainedFile,
  ExplainedLayer,
  ExplainedProgram,
  Explanation,
  Saving,
} from './explain/model.ts';
export type { Part, ProgramParts } from './explain/parts.ts';
export { type CheckResult, checkNamed as checkImage, checkPacked as checkProgram } from './pack/check.ts';
export { type InspectedImage, type InspectedLayer, type Inspection, inspect } from './pack/inspect.ts';
export { type Freshness, type OutdatedRequest, outdated } from './pack/outdated.ts';
export { type SbomOptions, sbom } from './pack/sbom.ts';
export type { SbomFormat } from './sbom/document.ts';

// The store

export { type LocalImage, listImages, removeNames, tag } from './pack/local.ts';
export { type LockedImage, type LockRequest, lock } from './pack/lock.ts';

// Signatures

export { type Signed, type Signer, type SignOptions, sign } from './pack/sign.ts';
export type { GoodSignature, SignatureFormat } from './pack/signatures.ts';
export { type Verified, type VerifiedPlatform, type VerifyRequest, verify } from './pack/verify.ts';
export {
  generateKeyPair,
  type KeyPair,
  type NamedKey,
  type Password,
  readPrivateKey,
  readPublicKey,
} from './sign/key.ts';

// The model

export type {
  Annotations,
  Compression,
  ContainerConfig,
  Descriptor,
  Digest,
  History,
  ImageConfig,
  IndexManifest,
  Manifest,
  Platform,
} from '#oci-spec-types';
export { formatPlatform, parsePlatform } from '#oci-spec-types';
export { indexOf } from './image/index-of.ts';
export type {
  Artifact,
  Blob,
  BlobOrigin,
  Document,
  Image,
  Index,
  Layer,
  LocalFile,
  Opaque,
  OpenOptions,
} from './image/model.ts';
export { buildImage, type ImageParts } from './image/mutate.ts';
export type { Companions, TaggedDocument } from './image/referrer.ts';
export { imageFor } from './image/select.ts';
export { validateArtifact } from './image/validate.ts';
export { type LayerOptions, type LayerStream, layerStream } from './layer/build.ts';
export type { CompressionChoice } from './layer/compression.ts';
export type { Entry } from './layer/entry.ts';
export { formatReference, parseReference, type Reference } from './registry/reference.ts';
export { type Output, openSource, type Source, type Written, writeOutput } from './transports/index.ts';
export { type Location, type LocationOptions, parseLocation } from './transports/location.ts';

// Errors

export { ERROR_CODES, type ErrorCode, type ErrorDetail, ExitCode, OcislimError } from './lib/errors.ts';
