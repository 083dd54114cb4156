import { type Digest, isDigest, MediaType, sha256 } from '#oci-spec-types';
import { type Answer, type HttpServer, httpServer, type Script, type Seen } from './http-server.ts';

interface StoredManifest {
  readonly mediaType: string;
  readonly raw: Buffer;
}

/** A registry in memory, with what the tests need of the distribution spec. */
export interface FakeRegistry extends HttpServer {
  /** By `REPOSITORY@DIGEST`. */
  readonly blobs: Map<string, Buffer>;
  /** By `REPOSITORY:TAG` and `REPOSITORY@DIGEST`. */
  readonly manifests: Map<string, StoredManifest>;
  putBlob(repository: string, bytes: Buffer): Digest;
  putManifest(repository: string, tag: string, document: object): Digest;
}

/** Starts one; `script` is asked first, and where it gives nothing the registry answers. */
export async function fakeRegistry(script: Script = () => undefined): Promise<FakeRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, StoredManifest>();
  let uploads = 0;

  const answer = (request: Seen): Answer => {
    const url = new URL(request.path, 'http://registry');
    if (url.pathname === '/v2/') return { body: '{}' };
    const [, repository = '', kind = '', name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs\/uploads|blobs)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === 'manifests') return manifest(request, repository, name);
    if (kind === 'blobs') {
      const body = blobs.get(`${repository}@${name}`);
      return body === undefined
        ? fault(404, 'BLOB_UNKNOWN')
        : { body, headers: { 'content-length': String(body.length) } };
    }
    if (kind === 'blobs/uploads') return upload(request, repository, url);
    return { status: 404 };
  };

  const manifest = (request: Seen, repository: string, name: string): Answer => {
    const key = isDigest(name) ? `${repository}@${name}` : `${repository}:${name}`;
    if (request.method === 'PUT') {
      const stored = { raw: request.body, mediaType: String(request.headers['content-type']) };
      const digest = sha256(request.body);
      manifests.set(key, stored).set(`${repository}@${digest}`, stored);
      return { status: 201, headers: { 'docker-content-digest': digest } };
    }
    const stored = manifests.get(key);
    if (stored === undefined) return fault(404, 'MANIFEST_UNKNOWN');
    const headers = { 'content-type': stored.mediaType, 'docker-content-digest': sha256(stored.raw) };
    return { body: stored.raw, headers };
  };

  const upload = (request: Seen, repository: string, url: URL): Answer => {
    const digest = url.searchParams.get('digest') ?? '';
    if (request.method === 'PUT') {
      if (sha256(request.body) !== digest) return fault(400, 'DIGEST_INVALID');
      blobs.set(`${repository}@${digest}`, request.body);
      return { status: 201 };
    }
    const source = url.searchParams.get('from');
    const mount = url.searchParams.get('mount') ?? '';
    const mounted = blobs.get(`${source}@${mount}`);
    if (mounted !== undefined) {
      blobs.set(`${repository}@${mount}`, mounted);
      return { status: 201 };
    }
    return {
      status: 202,
      headers: { location: `/v2/${repository}/blobs/uploads/${++uploads}?_state=a%2Bb%3D` },
    };
  };

  const server = await httpServer(async (request) => (await script(request)) ?? answer(request));
  return {
    ...server,
    blobs,
    manifests,
    putBlob: (repository, bytes) => {
      const digest = sha256(bytes);
      blobs.set(`${repository}@${digest}`, bytes);
      return digest;
    },
    putManifest: (repository, tag, document) => {
      const raw = Buffer.from(JSON.stringify(document));
      const stored = { raw, mediaType: MediaType.Manifest };
      manifests.set(`${repository}:${tag}`, stored).set(`${repository}@${sha256(raw)}`, stored);
      return sha256(raw);
    },
  };
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
