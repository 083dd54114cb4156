import type { Descriptor, Digest } from '#oci-spec-types';
import type { RegistriesConfig } from '../config/registries-conf.ts';
import type { BlobSource } from '../image/load.ts';
import type { Blob, OpenOptions } from '../image/model.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Progress } from '../lib/progress.ts';
import { authenticator, givenLookup } from './auth.ts';
import { type Credential, credentialFinder } from './credentials.ts';
import type { Finding } from './diagnosis.ts';
import { serverFinder } from './discovery.ts';
import { certificateFolders } from './host-certificates.ts';
import { discard, type Send } from './http.ts';
import { confirmTag, hasManifest, hasTag, putManifest } from './manifests.ts';
import { type Endpoint, endpointFinder } from './mirrors.ts';
import { redirecting } from './redirect.ts';
import { parseReference, type Reference } from './reference.ts';
import { addToTaggedList, listingOf, listReferrers } from './referrers.ts';
import { openRepository, type Repository } from './repository.ts';
import { retrying, type Sleep } from './retry.ts';
import { sendAhead } from './send-ahead.ts';
import { type Candidate, digestFrom, resolveFrom } from './source.ts';
import { createTransport, type TransportOptions } from './transport.ts';
import { cancelUpload, type Session } from './upload.ts';
import { type PushBlobOptions, pushBlob, startUpload } from './uploads.ts';

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
  /** Where certificates for single hosts are kept; default as Podman and Docker do. */
  readonly certificateFolders?: readonly string[] | undefined;
  readonly progress: Progress;
  readonly sleep?: Sleep | undefined;
  /** Milliseconds since the epoch; for tests, like `sleep` and `timeouts`. */
  readonly now?: (() => number) | undefined;
  readonly timeouts?: TransportOptions['timeouts'];
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
  /**
   * The digest that a reference means now, as its registry, or a mirror of it, says: no content is asked for where
   * HEAD tells it, which counts against no limit of pulls.
   * @throws OCISLIM_MANIFEST_UNKNOWN | OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_…
   */
  currentDigest(reference: Reference, options?: OpenOptions): Promise<Digest>;
  /**
   * What refers to a manifest as its subject: signatures, SBOMs (distribution-spec § Listing Referrers).
   * @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_…
   */
  referrers(reference: Reference, subject: Digest, options?: OpenOptions): Promise<readonly Descriptor[]>;
  /** Where to push; never a mirror. @throws OCISLIM_REGISTRY_BLOCKED */
  target(reference: Reference, options?: OpenOptions): Promise<Target>;
  /** Parses a name, with the short-name aliases of registries.conf. @throws OCISLIM_REFERENCE_INVALID */
  parse(text: string): Reference;
  /** Sends one request to any server, over this machine's proxies and certificates, without credentials. */
  readonly send: Send;
  /** Tries credentials at a registry. @throws OCISLIM_UNAUTHORIZED | OCISLIM_REGISTRY_… */
  ping(registry: string, credential: Credential, options?: OpenOptions): Promise<void>;
  /** Looks at every step of the way to a registry, or a repository (else empty) of it. Only an abort makes it throw. */
  diagnose(
    reference: Pick<Reference, 'registry' | 'repository'> & Partial<Reference>,
    options?: OpenOptions,
  ): Promise<readonly Finding[]>;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** A repository to push to. */
export interface Target {
  hasManifest(digest: Digest, options?: OpenOptions): Promise<boolean>;
  /** Asks, else mounts from a repository of the same registry that has it, else uploads. */
  pushBlob(blob: Blob, options?: PushBlobOptions): Promise<'exists' | 'mounted' | 'pushed'>;
  /**
   * Begins to upload a blob while it is made; {@link Target.pushBlob} waits for that, and pushes the blob where it failed.
   * @returns to be told the digest once `content` has ended
   */
  sendAhead(content: AsyncIterable<Uint8Array>, options?: OpenOptions): (digest: Digest) => void;
  /** By its digest, or under a tag: then it is looked at whether it has it. Where it has a subject, it is listed with it. */
  pushManifest(raw: Uint8Array, descriptor: Descriptor, options?: PushManifestOptions): Promise<void>;
  /**
   * By its digest, without listing it.
   * @returns whether the registry lists it itself; else {@link Target.list} is to do so
   */
  pushReferrer(raw: Uint8Array, descriptor: Descriptor, options?: OpenOptions): Promise<boolean>;
  /** What is listed with a subject there. */
  referrers(subject: Digest, options?: OpenOptions): Promise<readonly Descriptor[]>;
  /** Lists what was pushed with its subject (distribution-spec § Referrers Tag Schema). */
  list(subject: Digest, referrers: readonly Descriptor[], options?: OpenOptions): Promise<void>;
  /** Gives a manifest that is there another tag, and looks whether it has it. */
  pushTag(raw: Uint8Array, descriptor: Descriptor, tag: string, options?: OpenOptions): Promise<void>;
  /** Whether a tag names that; false also where that cannot be found out. */
  hasTag(tag: string, digest: Digest, options?: OpenOptions): Promise<boolean>;
  /**
   * Finds out whether one may push, by beginning an upload. The next blob takes it; nothing of it stays there when the
   * client was closed.
   * @throws OCISLIM_UNAUTHORIZED | …
   */
  checkPush(options?: OpenOptions): Promise<void>;
}

export interface PushManifestOptions extends OpenOptions {
  readonly tag?: string | undefined;
}

/** @throws OCISLIM_USAGE for a mirror that is no URL; OCISLIM_CONFIG_INVALID for a `caFile` that is none */
export function openRegistry(options: RegistryOptions): Registry {
  const { config, env, home, userAgent, caFile, progress, sleep, now } = options;
  const transport = createTransport({
    caFile,
    env,
    userAgent,
    certificateFolders: options.certificateFolders ?? certificateFolders(env, home),
    timeouts: options.timeouts,
  });
  const send = retrying(transport.send, { sleep, now });
  const endpointsOf = endpointFinder(options);
  const serverOf = serverFinder(transport.send);
  const findCredential = credentialFinder({ env, home });
  const repositories = new Map<string, Repository>();
  const begun = new Map<Repository, Session>();
  const takeBegun = (repository: Repository) => () => {
    const session = begun.get(repository);
    begun.delete(repository);
    return session;
  };

  /** What was sent while it was made, by repository and digest. */
  const ahead = new Map<string, Promise<boolean>>();

  const warned = new Set<string>();
  const warnOnce = (message: string) => {
    if (!warned.has(message)) progress.warn(message);
    warned.add(message);
  };
  // One for each repository and server, so that its tokens are found again.
  const connect = async (endpoint: Endpoint, { signal }: OpenOptions = {}): Promise<Repository> => {
    const server = await serverOf(endpoint, { signal });
    const { path } = endpoint;
    const key = `${server.base.href}${path} ${server.unverified}`;
    const known = repositories.get(key);
    if (known !== undefined) return known;
    const repository = openRepository({ server, path, send, findCredential, sleep, now, warn: warnOnce });
    repositories.set(key, repository);
    return repository;
  };
  const candidatesFor = (reference: Reference, open: OpenOptions): readonly Candidate[] => {
    const { origin, mirrors } = endpointsOf(reference);
    return [...mirrors, origin].map((endpoint) => ({
      connect: () => connect(endpoint, open),
      guess: { origin: endpoint.servers[0].base.origin, repository: endpoint.path },
    }));
  };
  return {
    resolve: async (reference, open = {}) =>
      resolveFrom(reference, candidatesFor(reference, open), warnOnce, open),
    currentDigest: async (reference, open = {}) =>
      digestFrom(reference, candidatesFor(reference, open), warnOnce, open),
    referrers: async (reference, subject, open = {}) =>
      listReferrers(await connect(endpointsOf(reference).origin, open), subject, open),
    target: async (reference, open) => {
      const repository = await connect(endpointsOf(reference).origin, open);
      return {
        hasManifest: (digest, options) => hasManifest(repository, digest, options),
        pushBlob: async (blob, options) => {
          const key = `${repository.name} ${blob.descriptor.digest}`;
          const sent = ahead.get(key);
          ahead.delete(key);
          if (await sent) return 'pushed';
          return pushBlob(repository, blob, { ...options, begun: takeBegun(repository) });
        },
        sendAhead: (content, options) => {
          let tell = (_: Digest) => {};
          const digest = new Promise<Digest>((resolve) => {
            tell = resolve;
          });
          const sent = sendAhead(repository, content, digest, { ...options, begun: takeBegun(repository) });
          return (is) => {
            ahead.set(`${repository.name} ${is}`, sent);
            tell(is);
          };
        },
        pushManifest: async (raw, descriptor, { tag, ...options } = {}) => {
          const { mediaType, digest } = descriptor;
          const { listed } = await putManifest(repository, raw, mediaType, tag ?? digest, options);
          const listing = listed ? undefined : listingOf(raw, descriptor);
          if (listing !== undefined)
            await addToTaggedList(repository, listing.subject, [listing.referrer], options);
          if (tag !== undefined) await confirmTag(repository, tag, digest, options);
        },
        pushReferrer: async (raw, descriptor, options) => {
          const { mediaType, digest } = descriptor;
          return (await putManifest(repository, raw, mediaType, digest, options)).listed;
        },
        referrers: (subject, options) => listReferrers(repository, subject, options),
        list: (subject, referrers, options) => addToTaggedList(repository, subject, referrers, options),
        pushTag: async (raw, { mediaType, digest }, tag, options) => {
          await putManifest(repository, raw, mediaType, tag, options);
          await confirmTag(repository, tag, digest, options);
        },
        hasTag: (tag, digest, options) => hasTag(repository, tag, digest, options),
        checkPush: async (options) => {
          if (!begun.has(repository)) begun.set(repository, await startUpload(repository, options));
        },
      };
    },
    parse: (text) => parseReference(text, config),
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
    diagnose: async (reference, open) => {
      const { diagnose } = await import('./diagnosis.ts');
      return diagnose(
        {
          reference,
          endpoints: endpointsOf(reference),
          env,
          send: transport.send,
          serverOf,
          findCredential,
        },
        open,
      );
    },
    send: transport.send,
    close: async () => {
      for (const [repository, session] of begun) await cancelUpload(repository, session.url);
      begun.clear();
      await transport.close();
    },
  };
}
