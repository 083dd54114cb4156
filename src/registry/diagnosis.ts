import { isDigest } from '#oci-spec-types';
import type { OpenOptions } from '../image/model.ts';
import { isAbort, OcislimError } from '../lib/errors.ts';
import { redact } from '../lib/redact.ts';
import { hostName, isLoopback } from './address.ts';
import { addressesOf, certificateFacts } from './connection-facts.ts';
import type { FindCredential } from './credentials.ts';
import { discard, type HttpResponse, header, type Send } from './http.ts';
import { getManifest } from './manifests.ts';
import type { Endpoint, Endpoints } from './mirrors.ts';
import { proxyFor } from './proxy.ts';
import type { Reference } from './reference.ts';
import { openRepository, type Repository, type Server } from './repository.ts';
import { type Access, repositoryScope } from './scopes.ts';
import type { Grant } from './tokens.ts';
import { cancelUpload, sessionOf } from './upload.ts';
import { startUpload } from './uploads.ts';

/** One thing that was looked at on the way to a registry. */
export interface Finding {
  readonly step:
    | 'mirrors'
    | 'name'
    | 'proxy'
    | 'tls'
    | 'api'
    | 'credentials'
    | 'pull'
    | 'push'
    | 'mount'
    | 'rate limit';
  /** `skipped`: could not be looked at, because of what failed before or was not asked about. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
  readonly hint?: string | undefined;
  /** What it comes to where it failed. */
  readonly error?: OcislimError | undefined;
}

export interface DiagnosisParts {
  readonly reference: Pick<Reference, 'registry' | 'repository'> & Partial<Reference>;
  readonly endpoints: Endpoints;
  readonly env: NodeJS.ProcessEnv;
  /** Without retries, so that each failure is seen. */
  readonly send: Send;
  readonly serverOf: (endpoint: Endpoint, options: OpenOptions) => Promise<Server>;
  readonly findCredential: FindCredential;
}

type Verdict = Omit<Finding, 'step'>;
const ok = (detail: string): Verdict => ({ status: 'ok', detail });
const skipped = (detail: string): Verdict => ({ status: 'skipped', detail });

/**
 * Goes the way to a registry step by step, as a pull and a push would, and tells what is found: it reads a manifest,
 * and begins an upload that it takes back. Nothing is left there, and no secret is in what it tells.
 * @throws only when it is told to stop
 */
export async function diagnose(
  parts: DiagnosisParts,
  options: OpenOptions = {},
): Promise<readonly Finding[]> {
  const { reference, endpoints, env, send } = parts;
  const findings: Finding[] = [];
  const take = async (step: Finding['step'], work: () => Promise<Verdict> | Verdict): Promise<boolean> => {
    const verdict = await judged(work, options);
    findings.push({ step, ...verdict });
    return verdict.status !== 'failed';
  };
  const skip = (steps: readonly Finding['step'][], why: string): readonly Finding[] => [
    ...findings,
    ...steps.map((step) => ({ step, ...skipped(why) })),
  ];

  if (endpoints.mirrors.length > 0) await take('mirrors', () => ok(describeMirrors(endpoints)));
  const [first] = endpoints.origin.servers;
  const proxy = () => proxyFor(first.base, env);
  let direct = false;
  const named = await take('name', async () => {
    if (proxy() !== undefined) return skipped(`${hostName(first.base.host)}: left to the proxy`);
    direct = true;
    return ok(await addressesOf(first.base));
  });
  const proxied = await take('proxy', () => {
    const found = proxy();
    return ok(
      found === undefined ? 'none: reached directly' : `${redact(found.url.href)} ($${found.variable})`,
    );
  });
  if (!named || !proxied)
    return skip(['tls', 'api', 'credentials', 'pull', 'push', 'mount', 'rate limit'], NOT_REACHED);

  let server: Server = first;
  let greeting: HttpResponse | undefined;
  await take('tls', async () => {
    server = await parts.serverOf(endpoints.origin, options);
    const { base, unverified } = server;
    greeting = await send({
      method: 'GET',
      url: new URL('/v2/', base),
      unverified,
      anonymous: true,
      signal: options.signal,
    });
    await discard(greeting);
    if (base.protocol === 'http:') return plainHttp(server);
    const facts = direct ? ` (${await certificateFacts(base)})` : '';
    return unverified
      ? {
          status: 'warning',
          detail: `${base.host}: its certificate is not checked, as --insecure has it${facts}`,
        }
      : ok(`${base.host}: trusted${facts}`);
  });
  const answer = greeting;
  if (answer === undefined)
    return skip(['api', 'credentials', 'pull', 'push', 'mount', 'rate limit'], NOT_REACHED);

  await take('api', () => judgeGreeting(server, answer));
  const repository = openRepositoryOf(parts, server);
  await take('credentials', async () => {
    const { credential, searched, problems } = await parts.findCredential(reference);
    const trouble = problems.length === 0 ? '' : ` (${problems.join('; ')})`;
    const detail = `${credential?.from ?? `none in ${searched.join(', ')}`}${trouble}`;
    return { status: problems.length === 0 ? 'ok' : 'warning', detail };
  });
  if (reference.repository === '')
    return skip(['pull', 'push', 'mount', 'rate limit'], 'name a repository to look at it');

  const wanted = reference.digest ?? reference.tag ?? 'latest';
  let config: string | undefined;
  await take('pull', async () => {
    try {
      const { raw } = await getManifest(repository.open, wanted, options);
      config = configDigest(raw);
      return ok(`${wanted} can be read; ${repository.granted('pull')}`);
    } catch (error) {
      if (!(error instanceof OcislimError && error.code === 'OCISLIM_MANIFEST_UNKNOWN')) throw error;
      return {
        status: 'warning',
        detail: `may be read, but there is no ${wanted}; ${repository.granted('pull')}`,
      };
    }
  });
  const limit = rateLimit(repository.responses);
  const mayPush = await take('push', async () => {
    const session = await startUpload(repository.open, options);
    await cancelUpload(repository.open, session.url);
    return ok(`an upload may begin (and was taken back); ${repository.granted('push')}`);
  });
  await take('mount', async () => {
    if (!mayPush) return skipped('needs the right to push');
    return config === undefined
      ? skipped('needs an image there to try it with')
      : tryMount(repository.open, config, options);
  });
  await take('rate limit', () => limit);
  return findings;
}

const NOT_REACHED = 'the registry was not reached';

async function judged(work: () => Promise<Verdict> | Verdict, { signal }: OpenOptions): Promise<Verdict> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    if (isAbort(error) || !(error instanceof OcislimError)) throw error;
    return { status: 'failed', detail: error.message, hint: error.hint, error };
  }
}

function describeMirrors({ mirrors }: Endpoints): string {
  return `read from first: ${mirrors.map(({ servers: [{ base }], path }) => `${base.href}${path}`).join(', ')}`;
}

function plainHttp({ base }: Server): Verdict {
  const detail = `${base.host}: plain HTTP, nothing is encrypted`;
  return isLoopback(base.host) ? ok(detail) : { status: 'warning', detail };
}

/** What `/v2/` has to answer (distribution-spec § Determining Support). */
function judgeGreeting({ base }: Server, response: HttpResponse): Verdict {
  const { status } = response;
  if (status === 200 || status === 401) {
    const version = header(response, 'docker-distribution-api-version');
    const asks = status === 401 ? ', wants to know who asks' : ', open';
    return ok(`speaks the distribution API${version === undefined ? '' : ` (${version})`}${asks}`);
  }
  throw new OcislimError(
    'OCISLIM_REGISTRY_FAILED',
    `${base.host}: answered ${status} where a registry says 200 or 401`,
    {
      hint: 'is it a registry? check host and port',
    },
  );
}

/** The repository, with what its tokens allow and what its answers had to say. */
function openRepositoryOf({ reference, endpoints, send, findCredential }: DiagnosisParts, server: Server) {
  const grants: Grant[] = [];
  const responses: HttpResponse[] = [];
  const open = openRepository({
    server,
    path: endpoints.origin.path,
    send: async (request) => {
      const response = await send(request);
      if (response.url.origin === server.base.origin) responses.push(response);
      return response;
    },
    findCredential: () => findCredential(reference),
    onToken: (grant) => void grants.push(grant),
  });
  const granted = (access: Access): string => {
    const last = grants.at(-1);
    if (last === undefined) return 'no token was asked for';
    const asked = `token of ${last.realm} for ${repositoryScope(open.path, access)}`;
    return last.granted === undefined ? asked : `${asked}, granted ${last.granted.join(' ') || 'nothing'}`;
  };
  return { open, responses, granted };
}

function configDigest(raw: Uint8Array): string | undefined {
  const { config } = JSON.parse(Buffer.from(raw).toString('utf8')) as { config?: { digest?: unknown } };
  return isDigest(config?.digest) ? config.digest : undefined;
}

/** Asks to mount what the repository has from itself, which changes nothing whatever the answer. */
async function tryMount(repository: Repository, digest: string, options: OpenOptions): Promise<Verdict> {
  const response = await repository.request({
    method: 'POST',
    to: `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(repository.path)}`,
    access: 'push',
    signal: options.signal,
  });
  await discard(response);
  if (response.status === 201) return ok('supported: layers that are there are not sent again');
  if (response.status === 202) await cancelUpload(repository, sessionOf(repository, response).url);
  return {
    status: 'warning',
    detail: `not supported (answered ${response.status}): layers of other repositories are sent`,
  };
}

/** The headers that Docker Hub has, `ratelimit-remaining: 76;w=21600`; others have none. */
function rateLimit(responses: readonly HttpResponse[]): Verdict {
  const last = responses.filter((response) => header(response, 'ratelimit-remaining') !== undefined).at(-1);
  if (last === undefined) return ok('none announced');
  const [, left] = /^(\d+)/.exec(header(last, 'ratelimit-remaining') ?? '') ?? [];
  const [, most, window] = /^(\d+)(?:;w=(\d+))?/.exec(header(last, 'ratelimit-limit') ?? '') ?? [];
  const hours = window === undefined ? '' : ` in ${Math.round(Number(window) / 360) / 10} hours`;
  const detail = `${left ?? '?'}${most === undefined ? '' : ` of ${most}`} left${hours}`;
  return left === '0'
    ? { status: 'warning', detail, hint: 'log in for a higher limit, or read through a mirror' }
    : ok(detail);
}
