import type { Descriptor, Digest } from '#oci-spec-types';
import type { RegistriesConfig } from '../config/registries-conf.ts';
import type { BlobSource } from '../image/load.ts';
import type { Blob, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Progress } from '../lib/progress.ts';
import { authenticator, givenLookup } from './auth.ts';
import { type Credential, credentialFinder } from './credentials.ts';
import { serverFinder } from './discovery.ts';
import { discard } from './http.ts';
import { hasManifest, putManifest } from './manifests.ts';
import { type Endpoint, endpointFinder } from './mirrors.ts';
import { redirecting } from './redirect.ts';
import { parseReference, type Reference } from './reference.ts';
import { openRepository, type Repository } from './repository.ts';
import { retrying, type Sleep } from './retry.ts';
import { resolveFrom } from './source.ts';
import { createTransport } from './transport.ts';
import { type PushBlobOptions, pushBlob } from './uploads.ts';

export interface RegistryOptions {
  readonly config: RegistriesConfig;
  /** URLs to read from first, by registry. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** Registries that may be plain HTTP, or have a certificate nobody vouches for. */
  readonly insecure: readonly string[];
  readonly caFile?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  readonly userAgent: string;
  readonly progress: Progress;
  readonly sleep?: Sleep | undefined;
}

/** The client of all registries. */
export interface Registry {
  /**
   * What a reference means now: mirrors first, then the origin. The source reads manifests and blobs in the same way.
   * @throws OCISLIM_MANIFEST_UNKNOWN | OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_…
   */
  resolve(
    reference: Reference,
    options?: OpenOptions,
  ): Promise<{ readonly descriptor: Descriptor; readonly source: BlobSource }>;
  /** Where to push; never a mirror. @throws OCISLIM_REGISTRY_BLOCKED */
  target(reference: Reference, options?: OpenOptions): Promise<Target>;
  /** Parses a name, with the short-name aliases of registries.conf. @throws OCISLIM_REFERENCE_INVALID */
  parse(text: string): Reference;
  /** Tries credentials at a registry. @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_… */
  ping(registry: string, credential: Credential, options?: OpenOptions): Promise<void>;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** A repository to push to. */
export interface Target {
  hasManifest(digest: Digest, options?: OpenOptions): Promise<boolean>;
  /** Asks, else mounts from a repository of the same registry that has it, else uploads. */
  pushBlob(blob: Blob, options?: PushBlobOptions): Promise<'exists' | 'mounted' | 'pushed'>;
  pushManifest(raw: Uint8Array, mediaType: string, tagOrDigest: string, options?: OpenOptions): Promise<void>;
}

/** @throws OCISLIM_USAGE for a mirror that is no URL; OCISLIM_CONFIG_INVALID for a `caFile` that is none */
export function openRegistry(options: RegistryOptions): Registry {
  const { config, env, home, userAgent, caFile, progress, sleep } = options;
  const transport = createTransport({ caFile, env, userAgent });
  const send = retrying(transport.send, sleep);
  const endpointsOf = endpointFinder(options);
  const serverOf = serverFinder(transport.send);
  const findCredential = credentialFinder({ env, home });
  const repositories = new Map<string, Repository>();

  // One for each repository and server, so that its tokens are found again.
  const connect = async (endpoint: Endpoint, { signal }: OpenOptions = {}): Promise<Repository> => {
    const server = await serverOf(endpoint, { signal });
    const { path } = endpoint;
    const key = `${server.base.href}${path} ${server.unverified}`;
    const known = repositories.get(key);
    if (known !== undefined) return known;
    const repository = openRepository({ server, path, send, findCredential, sleep });
    repositories.set(key, repository);
    return repository;
  };
  const warned = new Set<string>();
  const warnOnce = (message: string) => {
    if (!warned.has(message)) progress.warn(message);
    warned.add(message);
  };

  return {
    resolve: async (reference, open = {}) => {
      const { origin, mirrors } = endpointsOf(reference);
      const candidates = [...mirrors, origin].map((endpoint) => ({
        connect: () => connect(endpoint, open),
        guess: { origin: endpoint.servers[0].base.origin, repository: endpoint.path },
      }));
      return resolveFrom(reference, candidates, warnOnce, open);
    },
    target: async (reference, open) => {
      const repository = await connect(endpointsOf(reference).origin, open);
      return {
        hasManifest: (digest, options) => hasManifest(repository, digest, options),
        pushBlob: (blob, options) => pushBlob(repository, blob, options),
        pushManifest: (raw, mediaType, tagOrDigest, options) =>
          putManifest(repository, raw, mediaType, tagOrDigest, options),
      };
    },
    parse: (text) => parseReference(text, { aliases: config.aliases }),
    ping: async (registry, credential, open = {}) => {
      const { origin } = endpointsOf({ registry, repository: '' });
      const server = await serverOf(origin, open);
      const lookup = givenLookup(credential);
      const auth = authenticator({ ...server, subject: registry, credential: async () => lookup, send });
      const url = new URL('/v2/', server.base);
      const { unverified } = server;
      const response = await redirecting(auth.send)({ method: 'GET', url, unverified, signal: open.signal });
      await discard(response);
      if (response.status === 401 || response.status === 403) throw await auth.refused({});
      if (response.status === 200) return;
      throw new OcislimError(
        'OCISLIM_REGISTRY_FAILED',
        `${registry}: answered ${response.status} where a registry says 200`,
        { hint: 'is it a registry? give its host and port alone, as in image names' },
      );
    },
    close: () => transport.close(),
  };
}
