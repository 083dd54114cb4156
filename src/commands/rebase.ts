import { Command, Option } from 'commander';
import { signerFor } from './key-options.ts';
import { collect, type GlobalOptions } from './options.ts';
import { showResult, writeResultFiles } from './results.ts';
import { withSession } from './session.ts';

interface RebaseOptions extends GlobalOptions {
  readonly base?: string;
  readonly oldBase?: string;
  readonly tag?: readonly string[];
  readonly output?: readonly string[];
  readonly push?: boolean;
  readonly load?: boolean;
  readonly sign?: string;
  readonly check: string;
  readonly checkIgnore?: readonly string[];
  readonly locked?: boolean;
  readonly digestFile?: string;
  readonly metadataFile?: string;
}

const HELP = `
Its own layers stay as they are. What it had changed of its old base's configuration is changed in the new one's, and
whether it will start is looked at again. Signatures are of the old image: sign the new one.

Examples:
  ocislim outdated ghcr.io/me/hello:1
  ocislim rebase ghcr.io/me/hello:1 -t ghcr.io/me/hello:1 --push --sign cosign.key
  ocislim rebase hello --base alpine:3.22 -t hello:alpine`;

export function rebaseCommand(signal: AbortSignal): Command {
  return new Command('rebase')
    .description(
      "put an image's own layers on what its base is now, or on another, without building it again",
    )
    .argument('<image>', 'a name in the store, else an image reference; or any source such as oci:DIR')
    .option('--base <ref>', 'the new base (default: what the name of its base means now)')
    .option('--old-base <ref>', 'what it was made on (default: what it records)')
    .option('-t, --tag <ref>', 'name of the result; repeatable', collect)
    .option(
      '-o, --output <dest>',
      'oci:DIR[:NAME] | oci-archive:FILE | docker-archive:FILE | FILE.tar | - ; repeatable',
      collect,
    )
    .option('--push', 'push every tag')
    .option('--load', 'load into the local docker or podman')
    .option('--sign <key>', 'sign it with a private key, in each registry and layout that it goes to')
    .option('--offline', 'use nothing from the network')
    .option('--locked', 'refuse images that ocislim.lock does not pin')
    .addOption(
      new Option('--check <level>', 'what to do about a program that will not start')
        .choices(['error', 'warn', 'off'])
        .default('error'),
    )
    .option('--check-ignore <rule>', 'a rule whose findings do not matter here; repeatable', collect)
    .option('--digest-file <file>', "write the result's digest there")
    .option('--metadata-file <file>', 'write the result as JSON there')
    .addHelpText('after', HELP)
    .action(async (image: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RebaseOptions>();
      await withSession(options, signal, async (session) => {
        const [{ checkLevel, ruleOf }, { lockedContext }, { rebase }] = await Promise.all([
          import('./settings.ts'),
          import('./locked.ts'),
          import('../pack/rebase.ts'),
        ]);
        const request = {
          image,
          base: options.base,
          oldBase: options.oldBase,
          tags: options.tag ?? [],
          outputs: options.output ?? [],
          push: options.push ?? false,
          load: options.load ?? false,
          check: checkLevel(options.check),
          ignore: (options.checkIgnore ?? []).map(ruleOf),
          sign: await signerFor(options.sign, session.context),
        };
        const result = await rebase(request, await lockedContext(session, options.locked));
        await writeResultFiles(options, result);
        showResult(result, { outputs: request.outputs, dryRun: false }, session);
      });
    });
}
