import { existsSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { parsePlatform } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';
import type { Mount, Network } from '../sandbox/room.ts';
import { collect, type GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface RunCommandOptions extends GlobalOptions {
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly volume?: readonly string[];
  readonly network: Network;
  readonly entrypoint?: string;
  readonly platform?: string;
  readonly sandbox: 'auto' | 'bubblewrap' | 'proot';
  readonly memory?: string;
  readonly pidsLimit?: string;
  readonly timeout?: string;
}

export function runCommand(signal: AbortSignal): Command {
  return new Command('run')
    .description("start an image in a sandbox, without a daemon; gives its command's exit code")
    .argument('<image>', 'a name in the store, an image reference, or any source such as oci:DIR')
    .argument('[arguments...]', "in the place of the image's own")
    .passThroughOptions()
    .option(
      '-e, --env <key=value>',
      'environment variable; KEY alone takes its value from here; repeatable',
      collect,
    )
    .option('-u, --user <user[:group]>', 'who runs it')
    .option('-w, --workdir <path>', 'where it runs')
    .option('-v, --volume <src:dst[:ro]>', 'a file or folder of this machine; repeatable', collect)
    .addOption(new Option('--network <mode>', 'what it may reach').choices(['none', 'host']).default('none'))
    .option('--entrypoint <command>', 'one word or a JSON array')
    .option('--platform <platform>', "of several (default: this machine's)")
    .addOption(
      new Option('--sandbox <driver>', 'what keeps it in')
        .choices(['auto', 'bubblewrap', 'proot'])
        .default('auto'),
    )
    .option('--memory <bytes>', 'limit, e.g. 512m or 2g')
    .option('--pids-limit <number>', 'how many processes it may have')
    .option('--timeout <seconds>', 'after which it is ended')
    .option('--offline', 'use nothing from the network')
    .action(async (image: string, args: readonly string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RunCommandOptions>();
      await withSession(options, signal, async ({ context }) => {
        const [{ run }, { commandOf, keyValues }] = await Promise.all([
          import('../pack/run.ts'),
          import('./settings.ts'),
        ]);
        const { env, user, workdir, volume = [], network, entrypoint, platform, sandbox } = options;
        const request = {
          image,
          args,
          config: {
            env: keyValues('-e', env, context.env),
            user,
            workdir,
            entrypoint: entrypoint === undefined ? undefined : commandOf('--entrypoint', entrypoint),
          },
          platform: platform === undefined ? undefined : parsePlatform(platform),
          mounts: volume.map((text) => mountOf(text, context.cwd)),
          network,
          limits: {
            memory: options.memory === undefined ? undefined : bytes(options.memory),
            processes: options.pidsLimit === undefined ? undefined : count('--pids-limit', options.pidsLimit),
            seconds: options.timeout === undefined ? undefined : count('--timeout', options.timeout),
          },
          sandbox,
          isInteractive: process.stdin.isTTY && process.stdout.isTTY,
        };
        const { code, isOutOfTime } = await run(request, context, { passesOn: SIGNALS });
        if (isOutOfTime) context.progress.warn(`${image} was ended after ${options.timeout} s`);
        process.exitCode = isOutOfTime ? 124 : code;
      });
    });
}

/** What is passed on to the command. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

function mountOf(text: string, cwd: string): Mount {
  const [source, target, mode, ...more] = text.split(':');
  const isKnown = mode === undefined || mode === 'ro' || mode === 'rw';
  if (!source || !target?.startsWith('/') || !isKnown || more.length > 0) {
    throw new OcislimError('OCISLIM_USAGE', `-v ${text}: not a volume`, {
      hint: 'for example ./data:/data or ./config:/etc/app:ro',
    });
  }
  const full = resolve(cwd, source);
  if (!existsSync(full)) {
    throw new OcislimError('OCISLIM_INPUT_NOT_FOUND', `-v ${text}: ${source}: no such file or folder`);
  }
  return { source: full, target: posix.normalize(target).replace(/(.)\/$/, '$1'), isWritable: mode !== 'ro' };
}

function count(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new OcislimError('OCISLIM_USAGE', `${option} ${text}: not a number above 0`);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** As Docker reads `--memory`. */
function bytes(text: string): number {
  const [, number, unit = ''] = /^(\d{1,15})([bkmg]?)$/i.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (UNITS[unit.toLowerCase()] ?? 1);
  throw new OcislimError('OCISLIM_USAGE', `--memory ${text}: not a size`, { hint: 'for example 512m or 2g' });
}
