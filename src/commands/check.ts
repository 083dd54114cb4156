import { Command } from 'commander';
import type { Finding } from '../check/finding.ts';
import type { CheckLevel } from '../check/verdict.ts';
import type { CheckResult } from '../pack/check.ts';
import { sanitise } from '../ui/sanitise.ts';
import type { GlobalOptions } from './options.ts';
import { imageOptions } from './pack-options.ts';
import { type Session, withSession } from './session.ts';
import type { PackOptions } from './settings.ts';

export function checkCommand(signal: AbortSignal): Command {
  const command = new Command('check')
    .description('say whether an image, or a program on a base, will start, and why not')
    .argument(
      '[image-or-path]',
      'a file, a pattern or a target of ocislim.toml, to be looked at as pack would; else a name in the store, an image reference, or any source such as oci:DIR',
    );
  return imageOptions(command)
    .addHelpText(
      'after',
      '\nExit code 0: it will start; 6: it will not. Warnings are about what it may lack while it runs.',
    )
    .action(async (what: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PackOptions & GlobalOptions>();
      await withSession(options, signal, async (session) => {
        const { result, level } = await examine(what, options, session);
        session.result(result, result.check.flatMap(describe).concat(verdict(result)));
        const failed = level === 'error' && result.check.some(({ level }) => level === 'error');
        if (failed) process.exitCode = 6;
      });
    });
}

async function examine(
  what: string | undefined,
  options: PackOptions & GlobalOptions,
  session: Session,
): Promise<{ readonly result: CheckResult; readonly level: CheckLevel }> {
  const [{ settingsFor, requestOf }, { lockedContext }, { checkPacked, checkNamed, isFile }] =
    await Promise.all([import('./settings.ts'), import('./locked.ts'), import('../pack/check.ts')]);
  const { context, project } = session;
  const isTarget = what === undefined || (project?.targets.includes(what) ?? false);
  const settings = settingsFor(what, options, project, 'check');
  const request = requestOf(settings, context.env);
  const level = request.check;
  if (isTarget || options.base !== undefined || (await isFile(what, context.cwd)))
    return { level, result: await checkPacked(request, await lockedContext(session, settings.locked)) };
  return { level, result: await checkNamed(what, request, context) };
}

function describe({ level, rule, message, remedy }: Finding): readonly string[] {
  const line = `${level === 'error' ? 'error' : 'warning'}: ${sanitise(message)} [${rule}]`;
  return remedy === undefined ? [line] : [line, `  hint: ${sanitise(remedy)}`];
}

function verdict({ name, base, starts }: CheckResult): string {
  return `${sanitise(name)}${base === undefined ? '' : ` on ${sanitise(base)}`}: ${starts ? 'will start' : 'will not start'}`;
}
