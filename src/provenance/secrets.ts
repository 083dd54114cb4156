import { redact } from '../lib/redact.ts';

/** What stands where something must not be seen. */
const HIDDEN = '***';

/** What variables, build arguments and labels with secrets are called. */
const SECRET_NAME =
  /token|secret|passw|passphrase|credential|cookie|session|api_?key|access_?key|(?:^|[^a-z])(?:pat|pwd|key|auth|authorization)(?:$|[^a-z])|auth(?:orization|entication)?$|private/i;

/** What secrets of well-known services look like wherever they stand. */
const SECRET_TEXT =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*-----|$)|\b(?:gh[opsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|npm_\w{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)/g;

/** Shorter values are words that may stand anywhere. */
const SHORTEST = 6;

export interface Hiding {
  /** A text without secrets. */
  text(value: string): string;
  /** Names with their values, those that are secrets by their name hidden. */
  map(values: ReadonlyMap<string, string> | Readonly<Record<string, string>>): Record<string, string>;
}

/**
 * Hides what nobody may see who reads a document: values of variables of `env` whose names say that they are secrets, or
 * that `named` says are, wherever they stand; and what looks like a secret.
 */
export function hidingSecrets(
  env: Readonly<Record<string, string | undefined>>,
  named: readonly string[] = [],
): Hiding {
  const known = Object.entries(env)
    .filter(([name]) => SECRET_NAME.test(name) || named.includes(name))
    .flatMap(([, value]) => (value !== undefined && value.length >= SHORTEST ? [value] : []))
    // What another contains must not leave its rest.
    .sort((a, b) => b.length - a.length);
  const text = (value: string) => {
    const without = known.reduce((left, secret) => left.replaceAll(secret, HIDDEN), value);
    return redact(without).replace(SECRET_TEXT, HIDDEN);
  };
  const map: Hiding['map'] = (values) => {
    const entries = values instanceof Map ? [...values] : Object.entries(values);
    return Object.fromEntries(
      entries
        .map(([name, value]) => [text(name), SECRET_NAME.test(name) ? HIDDEN : text(value)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  };
  return { text, map };
}

/** A URL without user, password, query and fragment. */
export function publicUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  return url.href;
}
