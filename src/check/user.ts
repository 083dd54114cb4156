import type { Tree } from '../rootfs/tree.ts';
import { type Finding, finding } from './finding.ts';

/** Who a container's process runs as. */
export interface Identity {
  readonly uid: number;
  readonly gids: ReadonlySet<number>;
}

/** Engines refuse higher ids (runc; CVE-2024-40635 was about wrapping round). */
const ID_LIMIT = 2 ** 31 - 1;

/**
 * Who `USER` means, by the image's own `/etc/passwd` and `/etc/group` (image-spec config.md; moby/sys/user).
 * @returns identity is undefined where the files cannot be told, as with one that is a link out
 */
export function resolveUser(
  user: string,
  tree: Tree,
  base: string,
): { readonly identity?: Identity | undefined; readonly findings: readonly Finding[] } {
  const [name = '', groupName] = user.split(':', 2);
  const passwd = rowsOf(tree, 'etc/passwd');
  const groups = rowsOf(tree, 'etc/group');
  const unknown = (message: string) => ({
    findings: [finding('user-unknown', message, 'give a number, such as --user 65532')],
  });

  const row = name === '' ? undefined : passwd?.find((each) => each[0] === name || each[2] === name);
  const uid = name === '' ? 0 : idOf(row?.[2] ?? name);
  if (uid === undefined) {
    if (passwd === undefined) return { findings: [] };
    const why = tree.lookup('etc/passwd') === undefined ? 'has no /etc/passwd' : 'has no such user';
    return unknown(`user ${JSON.stringify(name)} is not a number, and ${base} ${why}: it would not start`);
  }
  const group = groupName
    ? groups?.find((each) => each[0] === groupName || each[2] === groupName)
    : undefined;
  const gid = groupName ? idOf(group?.[2] ?? groupName) : (idOf(row?.[3] ?? '') ?? 0);
  if (gid === undefined) {
    if (groups === undefined) return { findings: [] };
    const why = tree.lookup('etc/group') === undefined ? 'has no /etc/group' : 'has no such group';
    return unknown(
      `group ${JSON.stringify(groupName)} is not a number, and ${base} ${why}: it would not start`,
    );
  }
  const tooHigh = [uid, gid].find((id) => id > ID_LIMIT);
  if (tooHigh !== undefined)
    return unknown(`user ${JSON.stringify(user)} has the id ${tooHigh}, which is beyond ${ID_LIMIT}`);
  const memberOf = groupName
    ? []
    : (groups ?? []).filter((each) => row !== undefined && each[3]?.split(',').includes(row[0] ?? ''));
  const gids = memberOf.map((each) => idOf(each[2] ?? '')).filter((id) => id !== undefined);
  return { identity: { uid, gids: new Set([gid, ...gids]) }, findings: [] };
}

/** The home of a user by the image's `/etc/passwd`, else the root, as engines have it. */
export function homeOf(uid: number, tree: Tree): string {
  const row = rowsOf(tree, 'etc/passwd')?.find((each) => idOf(each[2] ?? '') === uid);
  return row?.[5] || '/';
}

/** Lines split at colons; none where there is no such file, undefined where its content is not known. */
function rowsOf(tree: Tree, path: string): readonly (readonly string[])[] | undefined {
  const node = tree.lookup(path);
  if (node?.type !== 'file') return [];
  return node.facts?.text?.split('\n').map((line) => line.split(':'));
}

function idOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
