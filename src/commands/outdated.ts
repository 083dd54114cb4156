import { Command } from 'commander';
import { type Digest, shortDigest } from '#oci-spec-types';
import { lockFileOf } from '../config/lock-file.ts';
import { imagesNamedIn } from '../config/project.ts';
import { ExitCode } from '../lib/errors.ts';
import { redact } from '../lib/redact.ts';
import type { Freshness } from '../pack/outdated.ts';
import { familiarReference, parseReference } from '../registry/reference.ts';
import { sanitise } from '../ui/sanitise.ts';
import { table } from '../ui/table.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

const WORDS: Readonly<Record<Freshness['status'], string>> = {
  'up-to-date': 'up to date',
  outdated: 'outdated',
  unknown: 'unknown',
};

export function outdatedCommand(signal: AbortSignal): Command {
  return new Command('outdated')
    .description('say which of the images that a project or an image is made with have moved')
    .argument(
      '[image...]',
      'images whose bases are looked at: a name in the store or of a registry, a layout, an archive, any source (default: what ocislim.lock pins and ocislim.toml names)',
    )
    .addHelpText(
      'after',
      '\nExit code 0: nothing has moved; 1: something has; 4 or 5: a registry did not say.',
    )
    .action(async (images: readonly string[], _options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { context, project } = session;
        const { outdated } = await import('../pack/outdated.ts');
        const lockFile = lockFileOf(project?.file, context.cwd);
        const used = project === undefined ? [] : imagesNamedIn(project);
        const found = await outdated({ lockFile, used, images }, context);
        if (found.length === 0)
          session.say('nothing that could move: no image of a registry is used by name');
        for (const { error } of found) if (error !== undefined) session.say(`  ${clean(error.message)}`);
        session.result(
          { images: found.map(({ error, ...rest }) => ({ ...rest, error: error && failure(error) })) },
          session.quiet ? names(found) : rows(found),
        );
        process.exitCode = exitCodeOf(found);
      });
    });
}

/** An answer that is missing counts for more than one that is there: what the table says is not all. */
function exitCodeOf(found: readonly Freshness[]): ExitCode {
  const failed = found.find(({ error }) => error !== undefined);
  if (failed?.error !== undefined) return failed.error.exitCode;
  return found.some(({ status }) => status === 'outdated') ? ExitCode.Failed : ExitCode.Done;
}

function failure({ code, message, hint }: NonNullable<Freshness['error']>): object {
  return { code, message: clean(message), hint: hint && clean(hint) };
}

function clean(text: string): string {
  return sanitise(redact(text));
}

function rows(found: readonly Freshness[]): readonly string[] {
  if (found.length === 0) return [];
  const isAboutImages = found.some(({ image }) => image !== undefined);
  const headers = [isAboutImages ? 'BASE' : 'NAME', 'PINNED', 'CURRENT', 'STATUS'];
  const cells = found.map(({ image, name, pinned, current, status }) => {
    const row = [familiar(name), short(pinned), short(current), WORDS[status]];
    return isAboutImages ? [image ?? '', ...row] : row;
  });
  return table(isAboutImages ? ['IMAGE', ...headers] : headers, cells);
}

function names(found: readonly Freshness[]): readonly string[] {
  return found
    .filter(({ status }) => status === 'outdated')
    .map(({ image, name }) => image ?? familiar(name));
}

function familiar(name: string): string {
  try {
    return familiarReference(parseReference(name));
  } catch {
    // What an image records as its base's name need not be one.
    return name || '-';
  }
}

function short(digest: Digest | undefined): string {
  return digest === undefined ? '-' : shortDigest(digest);
}
