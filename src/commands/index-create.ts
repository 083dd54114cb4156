import { Command } from 'commander';
import { collect, type GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface IndexOptions extends GlobalOptions {
  readonly push?: boolean;
  readonly output?: readonly string[];
  readonly tag?: readonly string[];
  readonly annotation?: readonly string[];
}

export function indexCommand(signal: AbortSignal): Command {
  const create = new Command('create')
    .description('join images for several platforms under one name')
    .argument('<name>', 'name of the index')
    .argument('<image...>', 'the images: references (by digest, best), or any other source')
    .option('-t, --tag <ref>', 'another name for it; repeatable', collect)
    .option('--annotation <key=value>', 'annotation of the index; repeatable', collect)
    .option('--push', 'push it, with the images the registry does not have')
    .option('-o, --output <dest>', 'write it there too; repeatable', collect)
    .action(async (name: string, images: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<IndexOptions>();
      await withSession(options, signal, async (session) => {
        const { createIndex } = await import('../pack/create-index.ts');
        const created = await createIndex(
          {
            names: [name, ...(options.tag ?? [])],
            sources: images,
            annotations: Object.fromEntries((options.annotation ?? []).map(keyValue)),
            push: options.push ?? false,
            outputs: options.output ?? [],
          },
          session.context,
        );
        session.result(created, [`${created.name}@${created.digest}`]);
      });
    });
  return new Command('index').description('work with multi-platform images').addCommand(create);
}

function keyValue(option: string): [string, string] {
  const at = option.indexOf('=');
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
}
