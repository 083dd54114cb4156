import { Command } from 'commander';
import { shortDigest } from '#oci-spec-types';
import { humanAge } from '../ui/age.ts';
import { humanSize } from '../ui/size.ts';
import { table } from '../ui/table.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

export function imagesCommand(signal: AbortSignal): Command {
  return new Command('images')
    .description('list the local store: SIZE is unpacked, PULL is what a pull moves')
    .argument('[name]', 'only images of this repository or name')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { listImages } = await import('../pack/local.ts');
        const images = await listImages(name, session.context);
        const now = Date.now();
        const rows = images.map((image) => [
          image.repository,
          image.tag,
          shortDigest(image.imageId),
          image.created === undefined ? 'N/A' : humanAge(new Date(image.created), now),
          humanSize(image.size),
          humanSize(image.transferSize),
        ]);
        const lines = session.quiet
          ? images.map((image) => shortDigest(image.imageId))
          : table(['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'PULL'], rows);
        session.result(images, lines);
      });
    });
}
