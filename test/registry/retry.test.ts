import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { OcislimError } from '../../src/lib/errors.ts';
import type { HttpRequest, HttpResponse } from '../../src/registry/http.ts';
import { ATTEMPTS, backoff, retryAfter, retrying } from '../../src/registry/retry.ts';

type Answer =
  | number
  | Error
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> };

function run(answers: readonly Answer[], more: Partial<HttpRequest> = {}) {
  const waits: number[] = [];
  let tries = 0;
  const send = async (request: HttpRequest): Promise<HttpResponse> => {
    const answer = answers[Math.min(tries++, answers.length - 1)] ?? 200;
    if (answer instanceof Error) throw answer;
    const { status, headers } = typeof answer === 'number' ? { status: answer, headers: {} } : answer;
    return { status, headers, body: Readable.from([]), url: request.url };
  };
  let clock = 0;
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds);
    clock += milliseconds;
  };
  const result = retrying(send, { sleep, now: () => clock })({
    method: 'GET',
    url: new URL('https://r/'),
    ...more,
  });
  return { result, waits, tries: () => tries };
}

const broken = () => new OcislimError('OCISLIM_REGISTRY_UNREACHABLE', 'r: connection broken off');
const refused = () =>
  new OcislimError('OCISLIM_REGISTRY_UNREACHABLE', 'r: refused', {
    cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }),
  });

describe('retrying', () => {
  it.each([408, 429, 499, 500, 502, 503, 504, 522])('tries %d again', async (status) => {
    const { result, tries } = run([status, status, 200]);
    expect((await result).status).toBe(200);
    expect(tries()).toBe(3);
  });

  it.each([200, 201, 400, 401, 403, 404, 416, 501])('takes %d for an answer', async (status) => {
    const { result, tries } = run([status]);
    expect((await result).status).toBe(status);
    expect(tries()).toBe(1);
  });

  it('gives the last answer after a few tries, and waits longer each time', async () => {
    const { result, waits, tries } = run([503]);
    expect((await result).status).toBe(503);
    expect(tries()).toBe(ATTEMPTS);
    expect(waits.length).toBe(ATTEMPTS - 1);
  });

  it('tries broken connections again, but not for long what nothing answers at', async () => {
    expect((await run([broken(), broken(), 200]).result).status).toBe(200);
    const lost = run([broken()]);
    await expect(lost.result).rejects.toThrow('broken off');
    expect(lost.tries()).toBe(ATTEMPTS);
    const nobody = run([refused()]);
    await expect(nobody.result).rejects.toThrow('refused');
    expect(nobody.tries()).toBe(3);
  });

  it('does not repeat what is no failure of the network, or was told not to be', async () => {
    const bug = run([new TypeError('bug')]);
    await expect(bug.result).rejects.toThrow('bug');
    expect(bug.tries()).toBe(1);
    const once = run([broken()], { retry: 'none' });
    await expect(once.result).rejects.toThrow('broken off');
    expect(once.tries()).toBe(1);
    const answers = run([broken()], { retry: 'answers' });
    await expect(answers.result).rejects.toThrow('broken off');
    expect(answers.tries()).toBe(1);
  });

  it('reports a used-up quota at once', async () => {
    const { result, waits } = run([{ status: 429, headers: { 'ratelimit-remaining': '0;w=21600' } }]);
    expect((await result).status).toBe(429);
    expect(waits).toEqual([]);
  });

  it('waits as long as the server asks, within reason', async () => {
    const { result, waits } = run([{ status: 429, headers: { 'retry-after': '7' } }, 200]);
    await result;
    expect(waits).toEqual([7000]);
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    controller.abort();
    const { result, tries } = run([broken()], { signal: controller.signal });
    await expect(result).rejects.toThrow('broken off');
    expect(tries()).toBe(1);
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1);
  it.each([
    ['3', 3000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 5000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['86400', 30_000],
    ['99999999999999999999', 30_000],
    ['Fri, 01 Jan 2100 00:00:00 GMT', 30_000],
    ['soon', undefined],
    ['', undefined],
    ['-5', expect.anything()],
  ])('%j is %j milliseconds', (value, wait) => {
    const found = retryAfter({ headers: { 'retry-after': value } }, now);
    if (value === '-5') expect(found === undefined || found >= 0).toBe(true);
    else expect(found).toBe(wait);
  });
});

it('waits double, are spread, and end at ten seconds', () => {
  expect([1, 2, 3].map((attempt) => backoff(attempt, () => 1))).toEqual([300, 600, 1200]);
  expect(backoff(1, () => 0)).toBe(150);
  expect(backoff(20, () => 1)).toBe(10_000);
});
