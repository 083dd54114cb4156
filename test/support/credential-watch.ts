import type { IncomingHttpHeaders } from 'node:http';

/**
 * Watches every scripted server of every test: a value of Authorization belongs to the first origin that saw it, and a
 * password also to the token servers that this origin has named; it must never be seen anywhere else, nor any cookie.
 */
export class CredentialWatch {
  readonly #seen: { readonly origin: string; readonly authorization: string }[] = [];
  readonly #realms = new Map<string, Set<string>>();
  readonly #leaks: string[] = [];

  request(
    origin: string,
    { authorization, cookie, 'proxy-authorization': proxy }: IncomingHttpHeaders,
  ): void {
    if (cookie !== undefined) this.#leaks.push(`a cookie was sent to ${origin}`);
    if (proxy !== undefined) this.#leaks.push(`proxy credentials were sent to ${origin}`);
    if (authorization !== undefined) this.#seen.push({ origin, authorization });
  }

  answer(origin: string, headers: Readonly<Record<string, string>> = {}): void {
    const challenge = Object.entries(headers).find(
      ([name]) => name.toLowerCase() === 'www-authenticate',
    )?.[1];
    const [, realm] = /realm="([^"]*)"/.exec(challenge ?? '') ?? [];
    if (realm === undefined || !URL.canParse(realm)) return;
    const known = this.#realms.get(origin) ?? new Set();
    this.#realms.set(origin, known.add(new URL(realm).origin));
  }

  /** What went where it does not belong since this was last asked. */
  take(): string[] {
    const leaks = this.#leaks.splice(0);
    const values = new Set(this.#seen.map(({ authorization }) => authorization));
    for (const value of values) {
      const origins = new Set(
        this.#seen.filter((each) => each.authorization === value).map(({ origin }) => origin),
      );
      if (origins.size > 1 && !this.#isShared(value, origins)) {
        leaks.push(`${value.split(' ')[0]} credentials were sent to ${[...origins].join(' and ')}`);
      }
    }
    this.#seen.length = 0;
    this.#realms.clear();
    return leaks;
  }

  /** A password goes to a registry and the token servers it names; a token goes to one origin. */
  #isShared(value: string, origins: ReadonlySet<string>): boolean {
    if (!value.startsWith('Basic ')) return false;
    return [...origins, ...this.#realms.keys()].some((registry) =>
      [...origins].every((origin) => origin === registry || this.#realms.get(registry)?.has(origin)),
    );
  }
}

export const watchCredentials = new CredentialWatch();
