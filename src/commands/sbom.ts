import { Command, Option } from 'commander';
import { SBOM_FORMATS, type SbomFormat } from '../sbom/document.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface SbomOptions extends GlobalOptions {
  readonly format: SbomFormat;
  readonly platform?: string;
}

const EXAMPLES = `
Examples:
  ocislim sbom alpine                                        what is in it, as SPDX 2.3
  ocislim sbom oci:hello.oci --format cyclonedx > hello.cdx.json
  ocislim pack ./hello -t ghcr.io/me/hello:1 --push --sbom spdx     attach it to the image
`;

export function sbomCommand(signal: AbortSignal): Command {
  return new Command('sbom')
    .description("print what an image is made of: its programs' modules, its base's packages")
    .argument('<image>', 'a name in the store, else an image reference; or any source such as oci:DIR')
    .addOption(
      new Option('--format <format>', 'form of the document').choices(SBOM_FORMATS).default('spdx' as const),
    )
    .option('--platform <platform>', "that platform's image (default: this machine's)")
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<SbomOptions>();
      await withSession(options, signal, async (session) => {
        const { sbom } = await import('../pack/sbom.ts');
        const document = await sbom(image, options, session.context);
        process.stdout.write(Buffer.from(document));
      });
    });
}
