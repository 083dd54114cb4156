import {
  type Descriptor,
  type Digest,
  DOCUMENT_LIMIT,
  decodeIndex,
  decodeManifest,
  digestAlgorithm,
  digestHex,
  encodeIndex,
  isIndexType,
  MediaType,
  sha256,
} from '#oci-spec-types';
import type { OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import { discard, type HttpResponse, header, readBody } from './http.ts';
import { getManifest, putManifest } from './manifests.ts';
import type { Repository } from './repository.ts';

/** More pages than any list has; a registry that always names another one is not followed for ever. */
const PAGES = 100;
/** More than is attached to one image anywhere; whoever may attach could else have us read for ever. */
const ENTRIES = 20_000;
/** How often a list is written again because somebody else wrote it at the same time. */
const MERGES = 4;

/**
 * What refers to a manifest as its subject (distribution-spec § Listing Referrers); registries without that API keep
 * the list as an index under a tag (§ Referrers Tag Schema).
 * @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_FAILED | OCISLIM_DOCUMENT_INVALID
 */
export async function listReferrers(
  repository: Repository,
  subject: Digest,
  { signal }: OpenOptions = {},
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = [];
  let to: string | URL = `referrers/${subject}`;
  for (let page = 1; page <= PAGES; page++) {
    const response: HttpResponse = await repository.request({ method: 'GET', to, access: 'pull', signal });
    // 404 is the specification's word for "no such API"; others say 400, 405 or 406.
    if (page === 1 && [400, 404, 405, 406].includes(response.status)) {
      await discard(response);
      return (await taggedList(repository, subject, { signal })) ?? [];
    }
    if (response.status !== 200) {
      throw await repository.failure(response, { access: 'pull' }, `list what refers to ${subject}`);
    }
    const raw = await readBody(response, DOCUMENT_LIMIT);
    found.push(...decodeIndex(raw, `${repository.name}: referrers of ${subject}`).manifests);
    if (found.length > ENTRIES) break;
    const next = nextPage(header(response, 'link'), response.url, repository.server.base);
    if (next === undefined) return found;
    to = next;
  }
  throw new OcislimError(
    'OCISLIM_REGISTRY_FAILED',
    `${repository.name}: the list of what refers to ${subject} does not end`,
  );
}

/** The target of `Link: <URL>; rel="next"` (RFC 8288); undefined where there is none on the registry itself. */
export function nextPage(link: string | undefined, from: URL, base: URL): URL | undefined {
  for (const part of (link ?? '').slice(0, 16 * 1024).split(/,(?=\s*<)/)) {
    const [, target, parameters = ''] = /^\s*<([^<>]*)>([^<>]*)$/.exec(part) ?? [];
    if (target === undefined || !/;\s*rel\s*=\s*"?next"?(?:\s*;|\s*$)/i.test(parameters)) continue;
    const url = URL.canParse(target, from.href) ? new URL(target, from) : undefined;
    if (url?.origin === base.origin) return url;
  }
  return undefined;
}

/** How a manifest is listed with the subject that it names; undefined where it names none. */
export function listingOf(
  raw: Uint8Array,
  { mediaType, digest, size }: Descriptor,
): { readonly subject: Digest; readonly referrer: Descriptor } | undefined {
  const isIndex = isIndexType(mediaType);
  const document = isIndex ? decodeIndex(raw) : decodeManifest(raw);
  const { subject, annotations } = document;
  if (subject === undefined) return undefined;
  const config = isIndex ? undefined : decodeManifest(raw).config.mediaType;
  const artifactType = document.artifactType ?? config;
  return { subject: subject.digest, referrer: { mediaType, digest, size, artifactType, annotations } };
}

/**
 * Lists manifests with their subject where the registry does not do so itself: reads the list, adds to it, writes it,
 * and looks whether somebody else's writing has undone that. What is listed already costs no more than a look.
 */
export async function addToTaggedList(
  repository: Repository,
  subject: Digest,
  referrers: readonly Descriptor[],
  options: OpenOptions = {},
): Promise<void> {
  for (let merge = 1; merge <= MERGES; merge++) {
    const list = (await taggedList(repository, subject, options)) ?? [];
    const missing = referrers.filter(({ digest }) => !list.some((each) => each.digest === digest));
    if (missing.length === 0) return;
    const index = encodeIndex({
      schemaVersion: 2,
      mediaType: MediaType.Index,
      manifests: [...list, ...missing],
    });
    await putManifest(repository, index, MediaType.Index, tagOf(subject), options);
    const { descriptor } = await getManifest(repository, tagOf(subject), options);
    if (descriptor.digest === sha256(index)) return;
  }
  const what = referrers.length === 1 ? referrers[0]?.digest : `${referrers.length} manifests`;
  throw new OcislimError(
    'OCISLIM_REGISTRY_FAILED',
    `${repository.name}: ${what} could not be listed with ${subject}: others write the list all the time`,
    { hint: 'push it again' },
  );
}

async function taggedList(
  repository: Repository,
  subject: Digest,
  options: OpenOptions,
): Promise<readonly Descriptor[] | undefined> {
  try {
    const { raw } = await getManifest(repository, tagOf(subject), options);
    return decodeIndex(raw, `${repository.name}:${tagOf(subject)}`).manifests;
  } catch (error) {
    if (error instanceof OcislimError && error.code === 'OCISLIM_MANIFEST_UNKNOWN') return undefined;
    throw error;
  }
}

/** The tag of the list (§ Referrers Tag Schema). Tags have at most 128 characters, so that a longer digest is cut. */
export function tagOf(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject)}`.slice(0, 128);
}
