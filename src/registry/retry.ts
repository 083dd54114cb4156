import { setTimeout as delay } from 'node:timers/promises';
import { OcislimError } from '../lib/errors.ts';
import { isConnectFailure } from './connection-errors.ts';
import { discard, type HttpRequest, type HttpResponse, header, type Send } from './http.ts';

/** Waits; ends early, with the signal's reason, when it is aborted. */
export type Sleep = (milliseconds: number, signal?: AbortSignal) => Promise<void>;

export const realSleep: Sleep = async (milliseconds, signal) => {
  await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
};

/** Tries of one request, the first included. */
export const ATTEMPTS = 6;
/** A wrong host or port is mostly a mistake, of which the user should hear soon. */
const CONNECT_ATTEMPTS = 3;
const FIRST_WAIT = 300;
const LONGEST_WAIT = 10_000;
/** A server that wants more time than this gets what we wait anyway. */
const LONGEST_RETRY_AFTER = 30_000;
/** All the waiting that one request may cost, in milliseconds. */
const PATIENCE = 120_000;

/** Answers that may be another one a moment later; 499 and 522 are proxies'. */
const PASSING = new Set([408, 429, 499, 500, 502, 503, 504, 522]);

export function isPassing(response: Pick<HttpResponse, 'status'>): boolean {
  return PASSING.has(response.status);
}

export interface RetryOptions {
  readonly sleep?: Sleep | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
}

/**
 * Repeats what may pass: broken connections and answers that are {@link isPassing}, with growing waits, a few times. A
 * host that asks to be left alone for a while is left alone by all requests.
 */
export function retrying(send: Send, { sleep = realSleep, now = Date.now }: RetryOptions = {}): Send {
  const answered = new Set<string>();
  const quietUntil = new Map<string, number>();

  return async (request) => {
    const { origin } = request.url;
    let waited = 0;
    const wait = async (milliseconds: number) => {
      waited += milliseconds;
      await sleep(milliseconds, request.signal);
    };
    for (let attempt = 1; ; attempt++) {
      const quiet = (quietUntil.get(origin) ?? 0) - now();
      if (quiet > 0) await wait(quiet);
      const last = attempt === ATTEMPTS || request.retry === 'none' || waited >= PATIENCE;
      try {
        const response = await send(request);
        answered.add(origin);
        if (last || !isPassing(response) || isExhausted(response)) return response;
        await discard(response);
        const asked = retryAfter(response, now());
        if (asked !== undefined) quietUntil.set(origin, now() + asked);
        else await wait(backoff(attempt));
      } catch (error) {
        const known = answered.has(origin);
        const enough = !known && isConnectFailure(error) && attempt >= CONNECT_ATTEMPTS;
        if (last || enough || !mayPass(error, request)) throw error;
        await wait(backoff(attempt));
      }
    }
  };
}

/** Only what the transport reports can pass; an error of the body's source, say, stays one. */
function mayPass(error: unknown, { signal, retry }: HttpRequest): boolean {
  if (signal?.aborted || retry === 'answers') return false;
  return error instanceof OcislimError && error.code === 'OCISLIM_REGISTRY_UNREACHABLE';
}

/** Doubles each time, and is spread so that clients that failed together do not come back together. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * (0.5 + random() / 2);
}

/** A quota that is used up does not come back within any time worth waiting (Docker Hub counts six hours). */
function isExhausted(response: HttpResponse): boolean {
  return response.status === 429 && /^0\b/.test(header(response, 'ratelimit-remaining') ?? '');
}

/** `Retry-After` in milliseconds, given as seconds or as a date; undefined where it is neither. */
export function retryAfter(response: Pick<HttpResponse, 'headers'>, now = Date.now()): number | undefined {
  const value = header(response, 'retry-after')?.trim();
  if (value === undefined || value === '') return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), LONGEST_RETRY_AFTER);
}
