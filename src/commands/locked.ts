import { lockFileOf, readLock } from '../config/lock-file.ts';
import type { Context } from '../transports/context.ts';
import type { Session } from './session.ts';

/** The context in which names of images mean what the project's lock says; with `--locked` nothing else. */
export async function lockedContext(
  { context, project }: Session,
  isStrict: boolean | undefined = false,
): Promise<Context> {
  const digests = await readLock(lockFileOf(project?.file, context.cwd));
  return { ...context, pinned: { digests, isStrict } };
}
