import { OcislimError } from '../lib/errors.ts';
import { authenticator } from './auth.ts';
import type { FindCredential } from './credentials.ts';
import { type HttpRequest, type HttpResponse, readBody, type Send } from './http.ts';
import { redirecting } from './redirect.ts';
import type { Sleep } from './retry.ts';
import { type Access, repositoryScope } from './scopes.ts';
import type { Grant } from './tokens.ts';
import { heeding } from './warnings.ts';

/** A server that speaks the registry's protocol, as it was found to be reached. */
export interface Server {
  /** As references name it, `docker.io`; credentials are kept under it. */
  readonly registry: string;
  /** Scheme, host and port, e.g. `https://registry-1.docker.io/`. */
  readonly base: URL;
  readonly unverified: boolean;
}

export interface RepositoryOptions {
  readonly server: Server;
  /** Path in the registry, e.g. `library/alpine`. */
  readonly path: string;
  /** With retries, without credentials or redirects. */
  readonly send: Send;
  readonly findCredential: FindCredential;
  /** Between tries of what cannot be repeated by sending the same request again. */
  readonly sleep?: Sleep | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
  /** Told of each token that was given. */
  readonly onToken?: ((grant: Grant) => void) | undefined;
  /** Told of what the registry warns of. */
  readonly warn?: ((message: string) => void) | undefined;
}

interface RepositoryRequest extends Omit<HttpRequest, 'url' | 'scopes'> {
  /** Below the repository (`manifests/latest`), or a URL that the registry gave. */
  readonly to: string | URL;
  readonly access: Access;
  /** Another repository of the same registry that must be readable too. */
  readonly alsoReads?: string | undefined;
}

/** One repository of one server: what the operations of manifests.ts, blobs.ts and uploads.ts are made of. */
export interface Repository {
  /** `docker.io/library/alpine`, for messages. */
  readonly name: string;
  readonly path: string;
  readonly server: Server;
  readonly sleep: Sleep | undefined;
  request(request: RepositoryRequest): Promise<HttpResponse>;
  /** Makes an error of an answer that says no; reads its body. `doing` continues "could not". */
  failure(
    response: HttpResponse,
    request: Pick<RepositoryRequest, 'access'>,
    doing: string,
  ): Promise<OcislimError>;
}

/** Longer error documents are cut; messages show a line of them. */
const ERROR_LIMIT = 64 * 1024;

export function openRepository({ server, path, findCredential, ...rest }: RepositoryOptions): Repository {
  const { registry, base, unverified } = server;
  const name = `${registry}/${path}`;
  const auth = authenticator({
    ...server,
    subject: name,
    credential: () => findCredential({ registry, repository: path }),
    send: rest.send,
    now: rest.now,
    onToken: rest.onToken,
  });
  const send = heeding(redirecting(auth.send), base, rest.warn ?? (() => {}));
  const scopes = (access: Access) => [repositoryScope(path, access)];
  return {
    name,
    path,
    server,
    sleep: rest.sleep,
    request: ({ to, access, alsoReads, ...request }) =>
      send({
        ...request,
        url: to instanceof URL ? to : new URL(`/v2/${path}/${to}`, base),
        scopes: [...scopes(access), ...(alsoReads === undefined ? [] : [repositoryScope(alsoReads, 'pull')])],
        unverified: unverified && (!(to instanceof URL) || to.origin === base.origin),
      }),
    failure: async (response, { access }, doing) => {
      const reason = describe(await readBody(response, ERROR_LIMIT).catch(() => Buffer.alloc(0)));
      const { status } = response;
      if (status === 401 || status === 403) return auth.refused({ scopes: scopes(access) }, reason);
      const said = reason === '' ? '' : `: ${reason}`;
      if (status === 429) {
        return new OcislimError(
          'OCISLIM_RATE_LIMITED',
          `${name}: could not ${doing}: too many requests${said}`,
          {
            hint: `log in for a higher limit (ocislim login ${registry}), or read through a mirror with --mirror`,
          },
        );
      }
      return new OcislimError(
        'OCISLIM_REGISTRY_FAILED',
        `${name}: could not ${doing}: ${response.url.host} answered ${status}${said}`,
      );
    },
  };
}

/** The registry's own words (distribution-spec § Error Codes), in one line and without control characters. */
function describe(body: Buffer): string {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return '';
  }
  if (typeof value !== 'object' || value === null || !('errors' in value) || !Array.isArray(value.errors))
    return '';
  const words = value.errors.slice(0, 3).map((error: unknown) => {
    if (typeof error !== 'object' || error === null) return '';
    const { code, message } = error as Readonly<Record<'code' | 'message', unknown>>;
    return [code, message].filter((part) => typeof part === 'string' && part !== '').join(' ');
  });
  const text = words.filter((each) => each !== '').join(', ');
  return text.replace(/[\p{C}\s]+/gu, ' ').slice(0, 300);
}
