import { resolveUser } from '../check/user.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Tree } from '../rootfs/tree.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** What engines take; higher ones they let wrap round (CVE-2024-40635). */
const LIMIT = 2 ** 31 - 1;

/**
 * `--chown`: names are those of the image's own `/etc/passwd` and `/etc/group`. A number alone is also the group's,
 * whatever the image says of it.
 * @throws OCISLIM_INPUT_INVALID for a name that the image does not have, and a number beyond 2³¹−1
 */
export function parseChown(text: string, image: Tree): Owner {
  const [user = '', group, ...rest] = text.split(':');
  const wrong = (why: string, hint = 'give numbers, such as --chown=1000:1000') =>
    new OcislimError('OCISLIM_INPUT_INVALID', `--chown=${text}: ${why}`, { hint });
  if (rest.length > 0 || (user === '' && !group)) throw wrong('not USER, USER:GROUP or :GROUP');

  const named = (name: string, kind: 'user' | 'group') => {
    const { identity } = resolveUser(kind === 'user' ? name : `0:${name}`, image, 'the image');
    if (identity !== undefined) return identity;
    const file = kind === 'user' ? 'passwd' : 'group';
    throw wrong(`the image's /etc/${file} has no ${kind} ${JSON.stringify(name)}`);
  };
  const number = (id: string) => {
    if (Number(id) > LIMIT) throw wrong(`${id} is beyond ${LIMIT}`, 'give a smaller number');
    return Number(id);
  };
  const owner = (): Owner => {
    if (user === '') return { uid: 0, gid: 0 };
    if (isNumber(user)) return { uid: number(user), gid: number(user) };
    const { uid, gids } = named(user, 'user');
    return { uid, gid: [...gids][0] ?? 0 };
  };
  if (!group) return owner();
  const gid = isNumber(group) ? number(group) : ([...named(group, 'group').gids][0] ?? 0);
  return { uid: owner().uid, gid };
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
