import { dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { humanSize } from '../ui/size.ts';
import type { BuildOptions } from './build-settings.ts';
import { collect, type GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface SlimOptions extends BuildOptions {
  readonly artifact?: string;
  readonly base?: string;
  readonly context?: string;
  readonly write?: string | true;
}

export function slimCommand(signal: AbortSignal): Command {
  return new Command('slim')
    .description('propose a multi-stage Dockerfile in the place of one with a single stage')
    .argument('[dockerfile]', 'the Dockerfile', 'Dockerfile')
    .option('-C, --context <folder>', 'the build context (default: where the Dockerfile is)')
    .option('--artifact <path>', 'the program that the image is for (default: the one it starts, or makes)')
    .option('--base <ref>', 'what it goes on (default: the smallest on which it will start)')
    .option('--build-context <name=where>', 'what a name in FROM stands for; repeatable', collect)
    .option('--build-arg <name[=value]>', 'value of an ARG; repeatable', collect)
    .option(
      '--secret <id=ID[,src=FILE|,env=NAME]>',
      'secret for RUN --mount=type=secret; repeatable',
      collect,
    )
    .option('--network <mode>', 'what RUN may reach: host | none (default: host)')
    .option('--sandbox <driver>', 'what keeps RUN in: auto | bubblewrap | proot (default: auto)')
    .option('--offline', 'use nothing from the network')
    .option('--write [file]', 'write it there (default: beside the Dockerfile, with .slim at its end)')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SlimOptions & GlobalOptions>();
      const path = options.write === true ? `${file}.slim` : options.write;
      if (path !== undefined && resolve(path) === resolve(file))
        throw new OcislimError('OCISLIM_USAGE', `--write ${path} would replace the Dockerfile itself`, {
          hint: `--write without a name writes ${file}.slim`,
        });
      await withSession(options, signal, async (session) => {
        const [{ buildRequestOf }, { lockedContext }, { slim }] = await Promise.all([
          import('./build-settings.ts'),
          import('./locked.ts'),
          import('../build/slim.ts'),
        ]);
        const build = buildRequestOf(
          options.context ?? dirname(file),
          { ...options, file },
          session.context.env,
        );
        const { artifact, base } = options;
        const result = await slim({ build, artifact, base }, await lockedContext(session, false));
        const { before, after } = result;
        const share = ((100 * after) / before).toFixed(1);
        session.say(
          `  ${humanSize(before)} in one stage, ${humanSize(after)} on ${result.base} (${share} %)`,
        );
        for (const { message } of result.check) session.say(`  ${message}`);
        if (path === undefined) session.say('  write it with --write');
        else {
          await writeBytesAtomically(path, result.dockerfile);
          session.say(`  wrote ${path}`);
        }
        session.result(result, path === undefined ? result.dockerfile.trimEnd().split('\n') : []);
      });
    });
}
