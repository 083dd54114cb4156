import { resolveUser } from '../check/user.ts';
import { OcislimError } from '../lib/errors.ts';
import type { Tree } from '../rootfs/tree.ts';
import type { Identity } from '../sandbox/room.ts';

/** Who USER means, by the image's own files. @throws OCISLIM_DOCKERFILE_INVALID for a name that they do not have */
export function identityOf(user: string, tree: Tree): Identity {
  const { identity, findings } = resolveUser(user, tree, 'the image');
  const [problem] = findings;
  if (problem !== undefined)
    throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', problem.message, { hint: problem.remedy });
  const [gid = 0, ...gids] = identity?.gids ?? [];
  return { uid: identity?.uid ?? 0, gid, gids };
}
