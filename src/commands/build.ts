import { Command, Option } from 'commander';
import type { BuildOptions } from './build-settings.ts';
import { documentOptions } from './document-options.ts';
import { signerFor } from './key-options.ts';
import { collect, type GlobalOptions } from './options.ts';
import { showResult, writeResultFiles } from './results.ts';
import { withSession } from './session.ts';

export function buildCommand(signal: AbortSignal): Command {
  return documentOptions(
    new Command('build')
      .description('build the image that a Dockerfile describes, without Docker')
      .argument(
        '[context]',
        'folder with what it copies, - for a tar or a Dockerfile on standard input, or a git URL',
        '.',
      )
      .option(
        '-f, --file <path>',
        'the Dockerfile, or - for standard input (default: Dockerfile in the context)',
      )
      .option('-t, --tag <ref>', 'name of the result; repeatable', collect)
      .option(
        '-o, --output <dest>',
        'oci:DIR[:NAME] | oci-archive:FILE | docker-archive:FILE | FILE.tar | - ; repeatable (default: the store alone)',
        collect,
      )
      .option('--push', 'push every tag')
      .option('--load', 'load into the local docker or podman')
      .option('--sign <key>', 'sign it with a private key, in each registry and layout that it goes to')
      .option('--target <stage>', 'the stage whose image it is (default: the last)')
      .option('--build-arg <name[=value]>', 'value of an ARG; repeatable', collect)
      .option('--build-context <name=where>', 'what a name in FROM or --from stands for; repeatable', collect)
      .option(
        '--secret <id=ID[,src=FILE|,env=NAME]>',
        'secret for RUN --mount=type=secret; repeatable',
        collect,
      )
      .option(
        '--ssh <id[=socket]>',
        "agent for RUN --mount=type=ssh (default socket: the environment's); repeatable",
        collect,
      )
      .option('--platform <list>', "linux/amd64,linux/arm64… (default: this machine's)")
      .option('--network <mode>', 'what RUN may reach: host | none (default: host)')
      .option('--no-cache', 'do every step anew')
      .option('--no-cache-filter <stage>', 'do the steps of a stage anew; repeatable', collect, [])
      .option('--hermetic', 'no caches for compilers but those that the Dockerfile asks for')
      .option('--cache-from <place>', 'use results of steps from a registry or a folder; repeatable', collect)
      .option('--cache-to <place>', 'leave results of steps in a registry or a folder; repeatable', collect)
      .option('--squash', 'one layer of all that the build adds')
      .option('-l, --label <key=value>', 'label; repeatable', collect)
      .option('--annotation <key=value>', 'annotation of the manifest; repeatable', collect)
      .option('--compression <kind[:level]>', 'gzip | zstd | none (default: gzip)')
      .option('--created <time>', 'RFC 3339, seconds, or now (default: SOURCE_DATE_EPOCH, else 1970)')
      .option('--sandbox <driver>', 'what keeps RUN in: auto | bubblewrap | proot (default: auto)')
      .addOption(
        new Option(
          '--check <level>',
          'what to do about a program that will not start (default: warn)',
        ).choices(['error', 'warn', 'off']),
      )
      .option('--check-ignore <rule>', 'a rule whose findings do not matter here; repeatable', collect)
      .option(
        '--smoke [arguments]',
        'start the image before it is delivered: without arguments, or with one word or a JSON array of them',
      )
      .option('--debug-shell', 'open a shell where a RUN fails')
      .option('--offline', 'use nothing from the network')
      .option('--locked', 'refuse images that ocislim.lock does not pin')
      .option('--digest-file <file>', "write the result's digest there")
      .option('--metadata-file <file>', 'write the result as JSON there'),
  ).action(async (path: string, _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<BuildOptions & GlobalOptions>();
    await withSession(options, signal, async (session) => {
      const [{ buildRequestOf }, { lockedContext }, { build }] = await Promise.all([
        import('./build-settings.ts'),
        import('./locked.ts'),
        import('../build/build.ts'),
      ]);
      const sign = await signerFor(options.sign, session.context);
      const request = { ...buildRequestOf(path, options, session.context.env), sign };
      const result = await build(request, await lockedContext(session, options.locked));
      await writeResultFiles(options, result);
      showResult(result, { outputs: request.outputs, dryRun: false }, session);
    });
  });
}
