import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { OcislimError } from '../lib/errors.ts';
import { redact } from '../lib/redact.ts';
import type { Expected } from '../lib/verify.ts';
import { content, discard, type HttpResponse, header, type Send } from '../registry/http.ts';
import { redirecting } from '../registry/redirect.ts';
import { retrying, type Sleep } from '../registry/retry.ts';
import type { Store } from '../store/store.ts';
import type { RemoteFile } from './remote.ts';

export interface FetchOptions {
  readonly store: Store;
  /** Sends one request, once; what the network fails with is an error of its own. */
  readonly send: Send;
  readonly checksum?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly sleep?: Sleep | undefined;
  /** Bytes; default 64 GiB. */
  readonly sizeLimit?: number | undefined;
}

const SIZE_LIMIT = 64 * 2 ** 30;
/** Downloads that are begun, as their connections may break off in the middle. */
const ATTEMPTS = 3;

/**
 * Fetches a file into the store.
 * @throws OCISLIM_INPUT_NOT_FOUND where there is none, OCISLIM_UNAUTHORIZED, OCISLIM_DIGEST_MISMATCH for another content
 *   than the checksum says, and OCISLIM_REGISTRY_… for what goes wrong on the way
 */
export async function fetchFile(text: string, options: FetchOptions): Promise<RemoteFile> {
  const { store, signal } = options;
  const shown = redact(text);
  const checksum = parseChecksum(options.checksum);
  if (!URL.canParse(text)) throw new OcislimError('OCISLIM_INPUT_INVALID', `${shown}: not a URL`);
  const url = new URL(text);
  const send = redirecting(retrying(authorizing(options.send, url), { sleep: options.sleep }));
  const { stored, actual } = await download({ ...options, send, url: plain(url), shown });
  if (checksum !== undefined && actual !== checksum)
    throw new OcislimError('OCISLIM_DIGEST_MISMATCH', `${shown}: has the digest ${actual}, not ${checksum}`, {
      hint: 'if that is what it should be now, change --checksum',
    });
  const descriptor = { mediaType: 'application/octet-stream', ...stored };
  return {
    name: fileNameOf(url),
    size: stored.size,
    digest: stored.digest.replace(/^.*:/, ''),
    open: () => store.open(descriptor, { signal }),
  };
}

const CHECKSUM = /^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/;

function parseChecksum(text: string | undefined): string | undefined {
  if (text === undefined || CHECKSUM.test(text)) return text;
  throw new OcislimError('OCISLIM_INPUT_INVALID', `--checksum=${text}: not a digest of a file`, {
    hint: 'sha256: and 64 hexadecimal digits in lower case, as sha256sum prints them',
  });
}

/** The last part of the URL's path, as BuildKit names it; what no file can be called is called as it calls nothing. */
export function fileNameOf(url: URL): string {
  let path = url.pathname;
  try {
    path = decodeURIComponent(path);
  } catch {
    // Not percent-encoded: taken as it stands.
  }
  const name = path.split('/').findLast((part) => part !== '') ?? '';
  return ['', '.', '..'].includes(name) || name.includes('\0') ? '__unnamed__' : name;
}

function plain(url: URL): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  return bare;
}

/** Name and password of a URL go to its own origin alone, and not after a redirect that has left it. */
function authorizing(send: Send, { username, password, origin }: URL): Send {
  if (username === '' && password === '') return send;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  return (request) => {
    if (request.anonymous || request.url.origin !== origin) return send(request);
    return send({ ...request, headers: { ...request.headers, authorization } });
  };
}

interface Download extends FetchOptions {
  readonly url: URL;
  readonly shown: string;
}

async function download({
  store,
  send,
  url,
  shown,
  signal,
  checksum = 'sha256:',
  sizeLimit = SIZE_LIMIT,
}: Download): Promise<{ readonly stored: Expected; readonly actual: string }> {
  const [algorithm = ''] = checksum.split(':');
  for (let attempt = 1; ; attempt++) {
    const headers = { accept: '*/*', 'accept-encoding': 'identity' };
    const response = await send({ method: 'GET', url, headers, signal });
    if (response.status !== 200) {
      await discard(response);
      throw refusal(response, shown);
    }
    const hash = createHash(algorithm);
    try {
      const bytes = bounded(response, shown, sizeLimit, (chunk) => hash.update(chunk));
      const stored = await store.put(Readable.from(bytes), { signal });
      return { stored, actual: `${algorithm}:${hash.digest('hex')}` };
    } catch (error) {
      const isPassing = error instanceof OcislimError && error.code === 'OCISLIM_REGISTRY_UNREACHABLE';
      if (!isPassing || attempt === ATTEMPTS) throw error;
    }
  }
}

async function* bounded(
  response: HttpResponse,
  shown: string,
  limit: number,
  take: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of content(response)) {
    size += chunk.length;
    if (size > limit) throw new OcislimError('OCISLIM_REGISTRY_FAILED', `${shown}: more than ${limit} bytes`);
    take(chunk);
    yield chunk;
  }
}

function refusal(response: HttpResponse, shown: string): OcislimError {
  const { status } = response;
  if (status === 404 || status === 410)
    return new OcislimError('OCISLIM_INPUT_NOT_FOUND', `${shown}: not there (${status})`);
  if (status === 401 || status === 403)
    return new OcislimError('OCISLIM_UNAUTHORIZED', `${shown}: may not be read (${status})`);
  const location = header(response, 'location');
  const where = location === undefined ? '' : `, with ${redact(location)}`;
  return new OcislimError('OCISLIM_REGISTRY_FAILED', `${shown}: answered ${status}${where}`);
}
