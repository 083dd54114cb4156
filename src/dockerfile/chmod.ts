import { OcislimError } from '../lib/errors.ts';

/** What `--chmod` makes of a file's mode. */
export type ModeChange = (mode: number, isFolder: boolean) => number;

interface Clause {
  /** Bits of the users that are meant: rwx of each, with what belongs to them of set-id and sticky. */
  readonly who: number;
  readonly actions: readonly { readonly operator: string; readonly permissions: string }[];
}

const USERS: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;

/**
 * `--chmod`: octal, up to 7777, or symbolic as chmod(1) has it, e.g. `u=rwX,go=rX`. There is no umask: without users all
 * are meant.
 * @throws OCISLIM_INPUT_INVALID
 */
export function parseChmod(text: string): ModeChange {
  const invalid = () =>
    new OcislimError('OCISLIM_INPUT_INVALID', `--chmod=${text}: not a mode`, {
      hint: 'octal, from 0 to 7777, or symbolic: --chmod=u=rwX,go=rX',
    });
  if (/^\d+$/.test(text)) {
    const mode = /^[0-7]{1,10}$/.test(text) ? Number.parseInt(text, 8) : -1;
    if (mode < 0 || mode > 0o7777) throw invalid();
    return () => mode;
  }
  const clauses = text.split(',').map((clause): Clause => {
    const [, users = '', actions = ''] = CLAUSE.exec(clause) ?? [];
    if (actions === '') throw invalid();
    return {
      who: users === '' ? 0o7777 : [...users].reduce((bits, user) => bits | (USERS[user] ?? 0), 0),
      actions: [...actions.matchAll(/([-+=])([^-+=]*)/g)].map(([, operator = '', permissions = '']) => ({
        operator,
        permissions,
      })),
    };
  });
  return (mode, isFolder) => clauses.reduce((before, clause) => apply(before, isFolder, clause), mode);
}

function apply(mode: number, isFolder: boolean, { who, actions }: Clause): number {
  let now = mode;
  for (const { operator, permissions } of actions) {
    const bits = bitsOf(permissions, now, isFolder) & who;
    if (operator === '+') now |= bits;
    else if (operator === '-') now &= ~bits;
    else now = (now & ~who) | bits;
  }
  return now;
}

function bitsOf(permissions: string, mode: number, isFolder: boolean): number {
  let bits = 0;
  for (const permission of permissions) {
    if (permission === 'r') bits |= 0o444;
    if (permission === 'w') bits |= 0o222;
    if (permission === 'x' || (permission === 'X' && (isFolder || (mode & 0o111) !== 0))) bits |= 0o111;
    if (permission === 's') bits |= 0o6000;
    if (permission === 't') bits |= 0o1000;
    if (permission === 'u') bits |= 0o111 * ((mode >> 6) & 7);
    if (permission === 'g') bits |= 0o111 * ((mode >> 3) & 7);
    if (permission === 'o') bits |= 0o111 * (mode & 7);
  }
  return bits;
}
