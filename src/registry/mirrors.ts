import type { RegistriesConfig } from '../config/registries-conf.ts';
import { matchesPrefix, type RegistryPlace, routeOf } from '../config/registry-routes.ts';
import { OcislimError } from '../lib/errors.ts';
import { isLoopback } from './address.ts';
import type { Reference } from './reference.ts';
import type { Server } from './repository.ts';

/** A repository on a server that may be reached in one of several ways; the first that works counts. */
export interface Endpoint {
  readonly servers: readonly [Server, ...Server[]];
  /** Path in the registry. */
  readonly path: string;
}

/** Where a reference is read from, and written to. */
export interface Endpoints {
  readonly origin: Endpoint;
  /** Only read from, in this order, before the origin. */
  readonly mirrors: readonly Endpoint[];
}

export interface EndpointOptions {
  readonly config: RegistriesConfig;
  /** `--mirror REGISTRY=URL`; they come before those of registries.conf. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  /** `--insecure REGISTRY` */
  readonly insecure: readonly string[];
}

/** Docker Hub's name is not the host that serves it. */
const DOCKER_HUB_HOST = 'registry-1.docker.io';

/**
 * The endpoints of references, by registries.conf and the command line.
 * @throws OCISLIM_USAGE for a mirror that is no URL; the function returned OCISLIM_REGISTRY_BLOCKED
 */
export function endpointFinder({
  config,
  mirrors,
  insecure,
}: EndpointOptions): (reference: Reference) => Endpoints {
  const insecureHosts = new Set(insecure.map(bareHost));
  const asked = Object.entries(mirrors).flatMap(([registry, urls]) =>
    urls.map((url) => ({ prefix: bareHost(registry), mirror: parseMirror(registry, url) })),
  );
  const isInsecure = (registry: string) => insecureHosts.has(registry) || insecureHosts.has(hostOf(registry));

  const endpointOf = ({ registry, repository, insecure }: RegistryPlace, scheme?: Scheme): Endpoint => ({
    servers: serversOf(registry, insecure || isInsecure(registry), scheme),
    path: repository,
  });
  return (reference) => {
    const route = routeOf(config, reference);
    if (route.blockedBy !== undefined) {
      throw new OcislimError(
        'OCISLIM_REGISTRY_BLOCKED',
        `${reference.registry}/${reference.repository}: blocked by ${route.blockedBy}`,
      );
    }
    const own = asked.filter(({ prefix }) => matchesPrefix(prefix, reference));
    return {
      origin: endpointOf(route.origin),
      mirrors: [
        ...own.map(({ mirror: { registry, path, scheme } }) =>
          endpointOf({ registry, repository: path + reference.repository, insecure: false }, scheme),
        ),
        ...route.mirrors.map((place) => endpointOf(place)),
      ],
    };
  };
}

type Scheme = 'http' | 'https';

/**
 * The ways to reach a registry. HTTPS alone, but for loopback, where nobody listens in, and for what the user called
 * insecure: there HTTPS with any certificate comes first, since it is the better of the two.
 */
function serversOf(registry: string, insecure: boolean, scheme: Scheme | undefined): Endpoint['servers'] {
  const server = (protocol: Scheme, unverified = false): Server => ({
    registry,
    base: new URL(`${protocol}://${hostOf(registry)}/`),
    unverified,
  });
  if (scheme === 'http') return [server('http')];
  if (scheme === undefined && isLoopback(registry)) return [server('http'), server('https', insecure)];
  if (insecure) return [server('https', true), server('http')];
  return [server('https')];
}

function hostOf(registry: string): string {
  return registry === 'docker.io' ? DOCKER_HUB_HOST : registry;
}

/** A registry as people write it on the command line: perhaps with a scheme, or a slash at its end. */
function bareHost(text: string): string {
  const bare = text
    .replace(/^https?:\/\//i, '')
    .replace(/\/+$/, '')
    .toLowerCase();
  return bare === 'index.docker.io' ? 'docker.io' : bare;
}

interface Mirror {
  readonly registry: string;
  /** Prefix of repositories: empty, or ends with a slash. */
  readonly path: string;
  readonly scheme: Scheme | undefined;
}

/** `[http[s]://]HOST[:PORT][/PREFIX]` */
function parseMirror(registry: string, text: string): Mirror {
  const [, named, rest = ''] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(.*)$/s.exec(text) ?? [];
  const scheme = named?.toLowerCase();
  const url = URL.canParse(`https://${rest}`) ? new URL(`https://${rest}`) : undefined;
  const isPlain = url !== undefined && url.username + url.password + url.search + url.hash === '';
  if (!isPlain || url.host === '' || (scheme !== undefined && scheme !== 'http' && scheme !== 'https')) {
    throw new OcislimError(
      'OCISLIM_USAGE',
      `--mirror ${registry}=…: the mirror must be [http[s]://]HOST[:PORT][/PREFIX]`,
      {
        hint: 'credentials for a mirror come from `ocislim login HOST`',
      },
    );
  }
  const path = url.pathname.replace(/^\/+|\/+$/g, '').replace(/^v2(?:\/|$)/, '');
  const authority = rest.split('/')[0] ?? url.host;
  return { registry: authority.toLowerCase(), path: path === '' ? '' : `${path}/`, scheme };
}
