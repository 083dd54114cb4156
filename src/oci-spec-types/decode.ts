import * as v from 'valibot';
import { OcislimError } from '../lib/errors.ts';
import { type Digest, isDigest } from './digest.ts';
import type { Descriptor, ImageConfig, IndexManifest, Manifest } from './documents.ts';
import { MediaType } from './media-types.ts';

/** The most a manifest, index or config may weigh, in bytes (distribution-spec § Pushing Manifests). */
export const DOCUMENT_LIMIT = 4 * 1024 * 1024;
/** The deepest nesting that a legitimate document shows is below ten; deeper input is refused before it is parsed. */
const DEPTH_LIMIT = 64;
/** More members than any image has; bounds the work that one document can cause. */
const MEMBERS_LIMIT = 10_000;

const digest = v.custom<Digest>(isDigest, 'not a digest');
const size = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));
const mediaType = v.pipe(v.string(), v.maxLength(255), v.regex(/^[\w.+-]+\/[\w.+-]+$/, 'not a media type'));
const strings = v.array(v.string());
/** Not valibot's record, which drops keys such as `constructor`: they are labels like any other. */
const mapOf = <T>(isMember: (value: unknown) => value is T, what: string) =>
  v.custom<Record<string, T>>((value) => isObject(value) && Object.values(value).every(isMember), what);
const map = mapOf((value) => typeof value === 'string', 'not a map of strings');
const optional = <S extends v.GenericSchema>(schema: S) => v.optional(schema);
const nullable = <S extends v.GenericSchema>(schema: S) => v.nullish(schema);

const platform = v.looseObject({
  os: v.string(),
  architecture: v.string(),
  variant: optional(v.string()),
  'os.version': optional(v.string()),
  'os.features': optional(strings),
});

const descriptor = v.looseObject({
  mediaType,
  digest,
  size,
  urls: optional(strings),
  annotations: optional(map),
  data: optional(v.string()),
  artifactType: optional(v.string()),
  platform: optional(platform),
});

const common = {
  schemaVersion: v.literal(2),
  mediaType: optional(mediaType),
  artifactType: optional(v.string()),
  subject: optional(descriptor),
  annotations: optional(map),
};

const manifest = v.looseObject({
  ...common,
  config: descriptor,
  layers: v.pipe(v.array(descriptor), v.maxLength(MEMBERS_LIMIT)),
});

const index = v.looseObject({
  ...common,
  manifests: v.pipe(v.array(descriptor), v.maxLength(MEMBERS_LIMIT)),
});

const anyObject = v.custom<object>(isObject);
const flags = mapOf(isObject, 'not a map of objects');

const containerConfig = v.looseObject({
  User: optional(v.string()),
  ExposedPorts: nullable(flags),
  Env: nullable(strings),
  Entrypoint: nullable(strings),
  Cmd: nullable(strings),
  Volumes: nullable(flags),
  WorkingDir: optional(v.string()),
  Labels: nullable(map),
  StopSignal: optional(v.string()),
  ArgsEscaped: optional(v.boolean()),
  Healthcheck: nullable(anyObject),
  OnBuild: nullable(strings),
  Shell: nullable(strings),
});

const history = v.looseObject({
  created: optional(v.string()),
  created_by: optional(v.string()),
  author: optional(v.string()),
  comment: optional(v.string()),
  empty_layer: optional(v.boolean()),
});

const imageConfig = v.looseObject({
  created: optional(v.string()),
  author: optional(v.string()),
  architecture: v.string(),
  os: v.string(),
  variant: optional(v.string()),
  'os.version': optional(v.string()),
  'os.features': optional(strings),
  config: nullable(containerConfig),
  rootfs: v.looseObject({ type: v.literal('layers'), diff_ids: v.array(digest) }),
  history: nullable(v.array(history)),
});

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON document from outside: bounded in size and depth, and without a `__proto__` that could reach a
 * prototype (such keys become ordinary data or are dropped by the schemas).
 * @throws OCISLIM_DOCUMENT_INVALID naming `what`.
 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > DOCUMENT_LIMIT) throw invalid(what, `larger than ${DOCUMENT_LIMIT} bytes`);
  if (nesting(bytes) > DEPTH_LIMIT) throw invalid(what, `nested deeper than ${DEPTH_LIMIT} levels`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(what, 'not JSON', cause);
  }
}

/** The deepest bracket nesting of a JSON text, counted without recursion and outside strings. */
function nesting(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (quoted) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return deepest;
}

function invalid(what: string, why: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_DOCUMENT_INVALID', `${what}: ${why}`, { cause });
}

/** Decodes untrusted data with a schema; the error names the document and the first field that is wrong. */
export function decode<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = issue ? v.getDotPath(issue) : null;
  throw invalid(what, path ? `field ${path}: ${issue.message}` : issue.message);
}

/**
 * Decodes an image manifest. A document that could be read both as a manifest and as an index is refused
 * (CVE-2021-41190), and so is Docker's schema 1, by name.
 * @throws OCISLIM_DOCUMENT_INVALID
 */
export function decodeManifest(bytes: Uint8Array, what = 'manifest'): Manifest {
  const value = unambiguous(parseJson(bytes, what), what, 'manifests');
  return decode(manifest, value, what) as Manifest;
}

/** Decodes an image index, under the same rules as {@link decodeManifest}. */
export function decodeIndex(bytes: Uint8Array, what = 'index'): IndexManifest {
  const value = unambiguous(parseJson(bytes, what), what, 'layers', 'config');
  return decode(index, value, what) as IndexManifest;
}

/** Decodes an image configuration; keys the schema does not name are kept. */
export function decodeConfig(bytes: Uint8Array, what = 'image config'): ImageConfig {
  return decode(imageConfig, parseJson(bytes, what), what) as ImageConfig;
}

/** Decodes one descriptor that stands alone. */
export function decodeDescriptor(value: unknown, what = 'descriptor'): Descriptor {
  return decode(descriptor, value, what) as Descriptor;
}

function unambiguous(value: unknown, what: string, ...foreign: string[]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(what, 'not a JSON object');
  const schemaVersion = Object.hasOwn(value, 'schemaVersion')
    ? Reflect.get(value, 'schemaVersion')
    : undefined;
  if (schemaVersion === 1)
    throw invalid(what, 'Docker image manifest schema 1 is not supported; push the image again');
  const both = foreign.find((key) => Object.hasOwn(value, key));
  if (both !== undefined) throw invalid(what, `both a manifest and an index (it has "${both}" too)`);
  return value;
}

/** The media type a manifest document claims, or the one its shape implies. */
export function documentMediaType(bytes: Uint8Array, what = 'manifest'): string {
  const value = parseJson(bytes, what);
  if (typeof value !== 'object' || value === null) throw invalid(what, 'not a JSON object');
  if ('mediaType' in value && typeof value.mediaType === 'string') return value.mediaType;
  return Object.hasOwn(value, 'manifests') ? MediaType.Index : MediaType.Manifest;
}
