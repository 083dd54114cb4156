import { Command } from 'commander';
import { documentOptions } from './document-options.ts';
import { signerFor } from './key-options.ts';
import { collect, type GlobalOptions } from './options.ts';
import { imageOptions, recordOptions } from './pack-options.ts';
import { showResult, writeResultFiles } from './results.ts';
import { withSession } from './session.ts';
import type { PackOptions } from './settings.ts';

const EXAMPLES = `
Examples:
  ocislim pack ./hello                              a layout, ./hello.oci
  ocislim pack ./hello -t ghcr.io/me/hello:1 --push
  ocislim pack ./hello-go -t hello:dev --load --watch
  ocislim pack ./hello -t ghcr.io/me/hello:1 --push-by-digest   one job of several that index create joins
`;

export function packCommand(signal: AbortSignal): Command {
  const command = new Command('pack')
    .description('put a program on a base, compiled first where it is source: one more layer, one image')
    .argument(
      '[path]',
      "source, program, .jar, .zip, a pattern such as 'dist/hello-{os}-{arch}', or a target of ocislim.toml",
    );
  return documentOptions(
    recordOptions(imageOptions(command))
      .addHelpText('after', EXAMPLES)
      .option('-t, --tag <ref>', 'name of the result; repeatable', collect)
      .option(
        '-o, --output <dest>',
        'oci:DIR[:NAME] | oci-archive:FILE | docker-archive:FILE | FILE.tar | - ; repeatable',
        collect,
      )
      .option(
        '--smoke [arguments]',
        'start the image before it is delivered: without arguments, or with one word or a JSON array of them',
      )
      .option('--push', 'push every tag')
      .option('--push-by-digest', "push to the tags' repositories under the digest alone, for index create")
      .option('--load', 'load into the local docker or podman')
      .option('--sign <key>', 'sign it with a private key, in each registry and layout that it goes to')
      .option('--watch', 'pack again whenever what is packed changes, until Ctrl-C')
      .option('--dry-run', 'say what would be done, write nothing')
      .option('--digest-file <file>', "write the result's digest there")
      .option('--metadata-file <file>', 'write the result as JSON there'),
  ).action(async (path: string | undefined, _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<PackOptions & GlobalOptions>();
    await withSession(options, signal, async (session) => {
      const [{ settingsFor, requestOf }, { lockedContext }, { pack }] = await Promise.all([
        import('./settings.ts'),
        import('./locked.ts'),
        import('../pack/pack.ts'),
      ]);
      const settings = settingsFor(path, options, session.project);
      const sign = await signerFor(settings.sign, session.context);
      const request = { ...requestOf(settings, session.context.env), sign };
      const context = await lockedContext(session, settings.locked);
      const packOnce = async () => {
        const result = await pack(request, context);
        if (!request.dryRun) await writeResultFiles(settings, result);
        showResult(result, request, session);
        return result;
      };
      if (options.watch !== true) {
        await packOnce();
        return;
      }
      const { packWhileWatching } = await import('./watching.ts');
      const ownFiles = [settings.digestFile, settings.metadataFile];
      const verbose = options.verbose === true;
      await packWhileWatching({ request, ownFiles, verbose, packOnce }, session, signal);
    });
  });
}
