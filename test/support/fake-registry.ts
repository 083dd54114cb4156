import { type Digest, isDigest, MediaType, sha256 } from '#oci-spec-types';
import { type FakeAuth, fakeAuth } from './fake-auth.ts';
import {
  type Answer,
  type HttpServer,
  type HttpServerOptions,
  httpServer,
  type Script,
  type Seen,
} from './http-server.ts';

interface StoredManifest {
  readonly mediaType: string;
  readonly raw: Buffer;
}

/** How a registry differs from the plain one; see vendors.ts. */
export interface Quirks {
  /** What a PATCH is answered with; default 202. */
  readonly patchStatus?: number;
  /** A PATCH is answered with the range from before it. */
  readonly staleRange?: boolean;
  /** Longer bodies are answered with 413. */
  readonly longestBody?: number;
  /** Announced as `OCI-Chunk-Min-Length`; shorter chunks, but the last, are refused. */
  readonly leastChunk?: number;
  /** Blobs are given whole, whatever was asked for. */
  readonly noRanges?: boolean;
  /** No `Docker-Content-Digest`. */
  readonly noDigest?: boolean;
  /** No referrers API. */
  readonly noReferrers?: boolean;
  /** An `Accept` header on anything but manifests is answered with 406. */
  readonly strictAccept?: boolean;
  /** A manifest whose type `Accept` does not name is not given. */
  readonly needsAccept?: boolean;
  /** What HEAD of a manifest that is not there is answered with; default 404. */
  readonly absentHead?: number;
  /** What every HEAD is answered with. */
  readonly head?: number;
  /** What asking for a mount is answered with; 202 begins an upload. */
  readonly mount?: number;
  /** Uploads cannot be asked about, or cancelled. */
  readonly noStatus?: boolean;
  /** Added to content types. */
  readonly charset?: string;
  /** Locations of uploads have scheme and host. */
  readonly absolute?: boolean;
  /** Blobs are read from there; the whole path follows. */
  readonly storage?: string;
}

export interface FakeOptions extends HttpServerOptions {
  /** Asked first; where it gives nothing the registry answers. */
  readonly script?: Script;
  readonly quirks?: Quirks;
  readonly auth?: FakeAuth;
}

/** A registry in memory that speaks the distribution spec. */
export interface FakeRegistry extends HttpServer {
  /** By `REPOSITORY@DIGEST`. */
  readonly blobs: Map<string, Buffer>;
  /** By `REPOSITORY:TAG` and `REPOSITORY@DIGEST`. */
  readonly manifests: Map<string, StoredManifest>;
  /** What unfinished uploads have so far, by their number. */
  readonly uploads: Map<string, Buffer>;
  putBlob(repository: string, bytes: Buffer): Digest;
  putManifest(repository: string, tag: string, document: object, mediaType?: string): Digest;
}

/** Starts one, with a script or with more. */
export async function fakeRegistry(options: FakeOptions | Script = {}): Promise<FakeRegistry> {
  const {
    script,
    quirks = {},
    auth,
    ...rest
  } = typeof options === 'function' ? { script: options } : options;
  const content = new Content(quirks);
  const refuse = auth === undefined ? () => undefined : await fakeAuth(auth);
  const server: HttpServer = await httpServer(
    async (request) => (await script?.(request)) ?? refuse(request) ?? content.answer(request, server.url),
    rest,
  );
  return Object.assign(content, server);
}

/** What is in the registry, and how it answers. */
class Content {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, StoredManifest>();
  readonly uploads = new Map<string, Buffer>();
  /** The repository of each upload. */
  readonly #begunIn = new Map<string, string>();
  readonly #quirks: Quirks;
  #begun = 0;

  constructor(quirks: Quirks) {
    this.#quirks = quirks;
  }

  putBlob(repository: string, bytes: Buffer): Digest {
    const digest = sha256(bytes);
    this.blobs.set(`${repository}@${digest}`, bytes);
    return digest;
  }

  putManifest(
    repository: string,
    tag: string,
    document: object,
    mediaType: string = MediaType.Manifest,
  ): Digest {
    const raw = Buffer.from(JSON.stringify(document));
    const stored = { raw, mediaType };
    this.manifests.set(`${repository}:${tag}`, stored).set(`${repository}@${sha256(raw)}`, stored);
    return sha256(raw);
  }

  answer(request: Seen, origin: string): Answer {
    const { method, headers } = request;
    const url = new URL(request.path, origin);
    if (url.pathname === '/v2/') return { body: '{}' };
    const [, repository = '', kind = '', name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs\/uploads|blobs|referrers)\/(.*)$/.exec(url.pathname) ?? [];
    const quirks = this.#quirks;
    // Of what broke off only the part of an upload is kept.
    if (isCut(request) && kind !== 'blobs/uploads') return { status: 0 };
    if (quirks.strictAccept && kind !== 'manifests' && headers.accept !== undefined)
      return fault(406, 'DENIED');
    if (method === 'HEAD' && quirks.head !== undefined) return { status: quirks.head };
    if (quirks.longestBody !== undefined && request.body.length > quirks.longestBody) return { status: 413 };
    if (kind === 'manifests') return this.#manifest(request, repository, name);
    if (kind === 'referrers') return this.#referrers(repository, name);
    if (kind === 'blobs') return this.#blob(request, repository, name);
    if (kind === 'blobs/uploads') return this.#upload(request, repository, name, url);
    return { status: 404 };
  }

  #blob({ headers, path }: Seen, repository: string, digest: string): Answer {
    const bytes = this.blobs.get(`${repository}@${digest}`);
    if (bytes === undefined) return fault(404, 'BLOB_UNKNOWN');
    const { storage, noRanges } = this.#quirks;
    if (storage !== undefined) return { status: 307, headers: { location: `${storage}${path}?signature=s` } };
    return noRanges ? { body: bytes } : ranged(bytes, headers.range);
  }

  #manifest(request: Seen, repository: string, name: string): Answer {
    const { method, headers, body } = request;
    const { noDigest, noReferrers, needsAccept, absentHead, charset = '' } = this.#quirks;
    const key = isDigest(name) ? `${repository}@${name}` : `${repository}:${name}`;
    if (method === 'PUT') {
      const digest = sha256(body);
      if (!isJson(body)) return fault(400, 'MANIFEST_INVALID');
      if (isDigest(name) && name !== digest) return fault(400, 'DIGEST_INVALID');
      const stored = { raw: body, mediaType: String(headers['content-type']) };
      this.manifests.set(key, stored).set(`${repository}@${digest}`, stored);
      const subject = subjectOf(body);
      const listed = subject !== undefined && !noReferrers ? { 'oci-subject': subject } : {};
      return {
        status: 201,
        headers: { ...(noDigest ? {} : { 'docker-content-digest': digest }), ...listed },
      };
    }
    if (method === 'DELETE') return { status: this.manifests.delete(key) ? 202 : 404 };
    const stored = this.manifests.get(key);
    if (stored === undefined && method === 'HEAD') return { status: absentHead ?? 404 };
    if (stored === undefined) return fault(404, 'MANIFEST_UNKNOWN');
    if (needsAccept && !headers.accept?.includes(stored.mediaType)) return fault(404, 'MANIFEST_UNKNOWN');
    const digest: Record<string, string> = noDigest ? {} : { 'docker-content-digest': sha256(stored.raw) };
    return { body: stored.raw, headers: { 'content-type': stored.mediaType + charset, ...digest } };
  }

  #referrers(repository: string, subject: string): Answer {
    if (this.#quirks.noReferrers) return { status: 404 };
    const own = [...this.manifests].filter(
      ([key, { raw }]) => key.startsWith(`${repository}@`) && subjectOf(raw) === subject,
    );
    const manifests = own.map(([, { raw, mediaType }]) => ({
      mediaType,
      digest: sha256(raw),
      size: raw.length,
    }));
    const index = { schemaVersion: 2, mediaType: MediaType.Index, manifests };
    return { body: JSON.stringify(index), headers: { 'content-type': MediaType.Index } };
  }

  #upload(request: Seen, repository: string, id: string, url: URL): Answer {
    const { method, body } = request;
    if (method === 'POST') return this.#begin(request, repository, url);
    const stored = this.uploads.get(id);
    if (stored === undefined || this.#begunIn.get(id) !== repository)
      return fault(404, 'BLOB_UPLOAD_UNKNOWN');
    if (method === 'GET')
      return this.#quirks.noStatus ? { status: 405 } : this.#state(204, repository, id, url);
    if (method === 'DELETE') return { status: !this.#quirks.noStatus && this.uploads.delete(id) ? 204 : 405 };
    if (method === 'PATCH') return this.#patch(request, repository, id, url);
    const digest = url.searchParams.get('digest') ?? '';
    const whole = Buffer.concat([stored, body]);
    if (sha256(whole) !== digest) {
      // A body that broke off stays as far as it came; a wrong one is thrown away.
      this.uploads.set(id, whole);
      if (!isCut(request)) this.uploads.delete(id);
      return fault(400, 'DIGEST_INVALID');
    }
    this.uploads.delete(id);
    this.blobs.set(`${repository}@${digest}`, whole);
    return { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } };
  }

  #begin({ body }: Seen, repository: string, url: URL): Answer {
    const digest = url.searchParams.get('digest');
    if (digest !== null && sha256(body) === digest) {
      this.blobs.set(`${repository}@${digest}`, body);
      return { status: 201 };
    }
    const source = url.searchParams.get('from');
    const mount = url.searchParams.get('mount') ?? '';
    const mounted = this.blobs.get(`${source}@${mount}`);
    const answer = source === null ? undefined : this.#quirks.mount;
    if (answer !== undefined && answer !== 202) return fault(answer, 'DENIED');
    if (mounted !== undefined && answer === undefined) {
      this.blobs.set(`${repository}@${mount}`, mounted);
      return { status: 201 };
    }
    const id = String(++this.#begun);
    this.uploads.set(id, Buffer.alloc(0));
    this.#begunIn.set(id, repository);
    return this.#state(202, repository, id, url);
  }

  #patch(request: Seen, repository: string, id: string, url: URL): Answer {
    const { patchStatus = 202, leastChunk = 0, staleRange } = this.#quirks;
    const stored = this.uploads.get(id) ?? Buffer.alloc(0);
    const [, first, last] = /^(\d+)-(\d+)$/.exec(String(request.headers['content-range'] ?? '')) ?? [];
    if (first !== undefined && Number(first) !== stored.length) return this.#state(416, repository, id, url);
    const whole = Buffer.concat([stored, request.body]);
    this.uploads.set(id, whole);
    const length = Number(last) - Number(first) + 1;
    if (first !== undefined && request.body.length === length && length < leastChunk) this.#short.add(id);
    const answer = this.#state(patchStatus, repository, id, url);
    if (!staleRange) return answer;
    return { ...answer, headers: { ...answer.headers, range: `0-${Math.max(0, stored.length - 1)}` } };
  }

  /** Uploads that had a chunk that was too short; only their last one may be. */
  readonly #short = new Set<string>();

  #state(status: number, repository: string, id: string, { origin }: URL): Answer {
    const { absolute, leastChunk } = this.#quirks;
    const stored = this.uploads.get(id)?.length ?? 0;
    // The state changes with every answer, as in distribution's own registry.
    const location = `${absolute ? origin : ''}/v2/${repository}/blobs/uploads/${id}?_state=a%2Bb%3D${stored}`;
    const least =
      status === 202 && leastChunk !== undefined ? { 'oci-chunk-min-length': String(leastChunk) } : {};
    return { status, headers: { location, range: `0-${Math.max(0, stored - 1)}`, ...least } };
  }
}

function isCut({ headers, body }: Seen): boolean {
  return body.length < Number(headers['content-length'] ?? 0);
}

/** One range of bytes (RFC 9110 § 14). */
export function ranged(bytes: Buffer, range: string | undefined): Answer {
  const [, first] = /^bytes=(\d+)-$/.exec(range ?? '') ?? [];
  if (first === undefined) return { body: bytes };
  const start = Number(first);
  if (start >= bytes.length) return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` } };
  const headers = { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  return { status: 206, headers, body: bytes.subarray(start) };
}

function subjectOf(raw: Buffer): string | undefined {
  try {
    const { subject } = JSON.parse(raw.toString()) as { subject?: { digest?: string } };
    return subject?.digest;
  } catch {
    return undefined;
  }
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}

/** An error document of the distribution spec. */
export function fault(status: number, code: string, message = ''): Answer {
  return { status, body: JSON.stringify({ errors: [{ code, message }] }) };
}

/** A manifest of one layer, with its blobs in the registry. */
export function putImage(
  registry: FakeRegistry,
  repository: string,
  tag: string,
  layer = Buffer.from('layer'),
) {
  const config = Buffer.from('{}');
  const document = {
    schemaVersion: 2,
    mediaType: MediaType.Manifest,
    config: {
      mediaType: MediaType.Config,
      digest: registry.putBlob(repository, config),
      size: config.length,
    },
    layers: [
      {
        mediaType: MediaType.LayerGzip,
        digest: registry.putBlob(repository, layer),
        size: layer.length,
      },
    ],
  };
  return { document, digest: registry.putManifest(repository, tag, document), layer: document.layers[0] };
}
