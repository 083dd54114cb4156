import { resolve } from 'node:path';
import { Command } from 'commander';
import { parsePlatform } from '#oci-spec-types';
import { parseCompression } from '../layer/compression.ts';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { wantsColour } from '../ui/colour.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface ExplainOptions extends GlobalOptions {
  readonly platform?: string;
  readonly html?: string;
  readonly compression?: string;
  readonly top: number;
}

const EXAMPLES = `
Examples:
  ocislim explain hello                          where its bytes are: layers, folders, files, packages
  ocislim explain hello --html hello.html        the same as a page to look around in
  ocislim explain hello:1 hello:2                what has changed between the two
  ocislim explain alpine --compression zstd:19   and what that compression would save, by doing it
  ocislim explain oci:hello.oci --json           every file, for scripts
`;

/** Columns where nobody says how many there are. */
const WIDTH = 100;

export function explainCommand(signal: AbortSignal): Command {
  return new Command('explain')
    .description('say where the bytes of an image are and what could be saved, or what differs between two')
    .argument('<image>', 'a name in the store, else an image reference; or any source such as oci:DIR')
    .argument('[other]', 'a second image: what changes on the way from the first to it')
    .option('--platform <platform>', "that platform's image (default: this machine's)")
    .option('--html <file>', 'write a page with a map of all files; it needs nothing else')
    .option('--compression <kind[:level]>', 'see what gzip or zstd would save, by compressing')
    .option('--top <n>', 'rows of each part', parseCount, 10)
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, other: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ExplainOptions>();
      const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
      const compression =
        options.compression === undefined ? undefined : parseCompression(options.compression);
      if (other !== undefined && (options.html !== undefined || compression !== undefined))
        throw new OcislimError('OCISLIM_USAGE', '--html and --compression are about one image');
      await withSession(options, signal, async (session) => {
        const [{ explain, difference }, { explanationLines, differenceLines }] = await Promise.all([
          import('../explain/explain.ts'),
          import('../explain/lines.ts'),
        ]);
        const width = process.stdout.columns ?? WIDTH;
        const shown = { width, colour: wantsColour(process.stdout, process.env), top: options.top };
        if (other !== undefined) {
          const found = await difference(image, other, { platform }, session.context);
          session.result(found, differenceLines(found, shown));
          return;
        }
        const found = await explain(image, { platform, compression }, session.context);
        if (options.html !== undefined) {
          const { renderPage } = await import('../explain/page.ts');
          await writeBytesAtomically(resolve(options.html), await renderPage(found));
          session.say(`  wrote ${options.html}`);
        }
        session.result(found, options.html === undefined ? explanationLines(found, shown) : [options.html]);
      });
    });
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new OcislimError('OCISLIM_USAGE', `--top ${text}: not a number of rows`);
}
