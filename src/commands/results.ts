import { writeBytesAtomically } from '../lib/atomic-file.ts';
import type { PackResult } from '../pack/request.ts';
import { humanSize } from '../ui/size.ts';
import type { Session } from './session.ts';

/** Shows what was made, or would be; where the image itself goes to standard output, on standard error alone. */
export function showResult(
  result: PackResult,
  { outputs, dryRun }: { readonly outputs: readonly string[]; readonly dryRun: boolean },
  session: Session,
): void {
  if (outputs.includes('-')) {
    session.say(resultLines(result).join('\n'));
    return;
  }
  for (const line of summary(result, dryRun)) session.say(line);
  session.result(dryRun ? { dryRun: true, ...result } : result, resultLines(result));
}

function resultLines(result: PackResult): readonly string[] {
  return result.names.map((name) => (result.digest === '' ? name : `${name}@${result.digest}`));
}

/** What a person wants to see at the end: each platform's size, and where the image is now. */
function summary(result: PackResult, planned: boolean): readonly string[] {
  const sizes = result.platforms.map((made) => {
    const app = made.layers
      .filter((layer) => layer.origin === 'app')
      .reduce((sum, layer) => sum + layer.size, 0);
    const size = planned ? '' : `  ${humanSize(made.size)} (${humanSize(app)} on ${result.base.name})`;
    return `  ${made.platform}${size}`;
  });
  const verb = planned ? 'would write' : 'wrote';
  return [
    ...sizes,
    ...result.outputs.map(({ type, dest }) => `  ${verb} ${type === 'planned' ? dest : `${type}:${dest}`}`),
  ];
}

/** Writes what `--digest-file` and `--metadata-file` ask for. */
export async function writeResultFiles(
  settings: { readonly digestFile?: string | undefined; readonly metadataFile?: string | undefined },
  result: PackResult,
): Promise<void> {
  if (settings.digestFile !== undefined) await writeBytesAtomically(settings.digestFile, result.digest);
  if (settings.metadataFile !== undefined) {
    const { buildxMetadata } = await import('../pack/result.ts');
    const metadata = { ...result, ...buildxMetadata(result) };
    await writeBytesAtomically(settings.metadataFile, `${JSON.stringify(metadata, null, 2)}\n`);
  }
}
