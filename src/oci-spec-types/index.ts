/** The OCI and Docker document types, with checked decoders and deterministic encoders. */
export * from './annotations.ts';
export * from './decode.ts';
export * from './digest.ts';
export * from './documents.ts';
export * from './encode.ts';
export * from './media-types.ts';
export * from './platform.ts';
