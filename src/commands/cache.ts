import { Command } from 'commander';
import type { UsageKind } from '../store/usage.ts';
import { humanSize } from '../ui/size.ts';
import { table } from '../ui/table.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

const WORDS: Readonly<Record<UsageKind, string>> = {
  images: 'images',
  bases: 'bases kept for --offline',
  steps: 'layers of build steps',
  compiled: 'compiled programs',
  caches: 'caches of toolchains',
  unused: 'named by nothing',
  roots: 'layers unpacked',
  unfinished: 'broken-off work',
  notes: 'notes on layers',
};

export function cacheCommand(signal: AbortSignal): Command {
  return new Command('cache')
    .description("the local store's size, and its clean-up")
    .addCommand(duCommand(signal))
    .addCommand(pruneCommand(signal));
}

function duCommand(signal: AbortSignal): Command {
  return new Command('du')
    .description('how the bytes of the local store are spent')
    .action(async (_options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { usageOf } = await import('../store/usage.ts');
        const { store } = session.context;
        const usage = await usageOf(store);
        const total = (key: 'size' | 'reclaimable') => usage.reduce((sum, each) => sum + each[key], 0);
        const rows = usage.map((each) => [
          WORDS[each.kind],
          String(each.count),
          humanSize(each.size),
          humanSize(each.reclaimable),
        ]);
        const sum = ['total', '', humanSize(total('size')), humanSize(total('reclaimable'))];
        session.result(
          { store: store.root, size: total('size'), reclaimable: total('reclaimable'), usage },
          table(['WHAT', 'FILES', 'SIZE', 'RECLAIMABLE'], [...rows, sum]),
        );
      });
    });
}

interface PruneOptions {
  readonly bases?: boolean;
  readonly caches?: boolean;
  readonly dryRun?: boolean;
}

function pruneCommand(signal: AbortSignal): Command {
  return new Command('prune')
    .description('remove what no image names and no running ocislim uses')
    .option('--caches', 'also what was compiled, and what toolchains keep')
    .option('--bases', 'also bases that no image is made of; --offline needs them fetched again then')
    .option('--dry-run', 'say what would go, remove nothing')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PruneOptions & GlobalOptions>();
      await withSession(options, signal, async (session) => {
        const { prune } = await import('../store/usage.ts');
        const { store, progress } = session.context;
        const onWait = () => progress.note('another clean-up is under way; waiting for it');
        const { bases, caches, dryRun = false } = options;
        const { count, size } = await prune(store, { bases, caches, dryRun, signal, onWait });
        const verb = dryRun ? 'would free' : 'freed';
        session.result({ dryRun, count, size }, [`${verb} ${humanSize(size)} in ${count} files`]);
      });
    });
}
