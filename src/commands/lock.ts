import { relative } from 'node:path';
import { Command } from 'commander';
import { shortDigest } from '#oci-spec-types';
import { LOCK_FILE, lockFileOf } from '../config/lock-file.ts';
import { imagesNamedIn } from '../config/project.ts';
import { OcislimError } from '../lib/errors.ts';
import type { LockedImage } from '../pack/lock.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface LockOptions extends GlobalOptions {
  readonly update?: boolean;
}

export function lockCommand(signal: AbortSignal): Command {
  return new Command('lock')
    .description(`pin the images that a project uses to digests, in ${LOCK_FILE}`)
    .argument(
      '[reference...]',
      'images to pin (default: those that ocislim.toml names and that are not pinned)',
    )
    .option('--update', 'ask the registries anew (default: for all that is pinned or named)')
    .action(async (references: readonly string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<LockOptions>();
      await withSession(options, signal, async (session) => {
        const { context, project } = session;
        const { update = false } = options;
        const used = project === undefined ? [] : imagesNamedIn(project);
        if (references.length === 0 && project === undefined && !update) throw nothingToPin();
        const { lock } = await import('../pack/lock.ts');
        const file = lockFileOf(project?.file, context.cwd);
        const images = await lock({ file, references, used, update }, context);
        if (images.length === 0)
          session.say('nothing to pin: no image of a registry is named without its digest');
        for (const line of images.flatMap(describe)) session.say(line);
        session.result(
          { file: relative(context.cwd, file), images },
          images.map(({ name, digest }) => `${name}@${digest}`),
        );
      });
    });
}

function describe({ name, digest, status, previous }: LockedImage): readonly string[] {
  if (status === 'kept') return [];
  const before = previous === undefined ? '' : `${shortDigest(previous)} → `;
  return [`  ${status} ${name}: ${before}${shortDigest(digest)}`];
}

function nothingToPin(): OcislimError {
  return new OcislimError('OCISLIM_USAGE', 'lock what? There is no ocislim.toml that names images', {
    hint: 'for example: ocislim lock alpine:3.20',
  });
}
