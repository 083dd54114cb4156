import { Command } from 'commander';
import type { Finding } from '../registry/diagnosis.ts';
import { sanitise } from '../ui/sanitise.ts';
import { VERSION } from '../version.ts';
import type { GlobalOptions } from './options.ts';
import { type Session, withSession } from './session.ts';

const MARKS: Readonly<Record<Finding['status'], string>> = {
  ok: 'ok',
  warning: 'warning',
  failed: 'FAILED',
  skipped: '-',
};

export function doctorCommand(signal: AbortSignal): Command {
  return new Command('doctor')
    .description('what works here, and on the way to a registry or a repository')
    .argument('[registry]', 'registry (ghcr.io) or image (ghcr.io/me/app:1)')
    .addHelpText(
      'after',
      '\nOf a repository it reads a manifest and begins an upload, which it takes back; nothing is left there.',
    )
    .action(async (place: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await withSession(options, signal, async (session) => {
        const here = await examineHere(session);
        const found = place === undefined ? [] : await examine(place, session);
        const findings = [...here, ...found];
        const broken = findings.find(({ step, error }) => error !== undefined && !MAY_FAIL.has(step));
        session.result(
          { findings: findings.map(({ error, ...rest }) => ({ ...rest, code: error?.code })) },
          findings.flatMap(describe),
        );
        if (broken?.error !== undefined) process.exitCode = broken.error.exitCode;
      });
    });
}

/** Who only pulls is well without these. */
const MAY_FAIL: ReadonlySet<string> = new Set(['push', 'mount']);

type AnyFinding = Omit<Finding, 'step'> & { readonly step: string };

async function examineHere({ context }: Session): Promise<readonly AnyFinding[]> {
  const { store } = context;
  const isWritable = await store.isWritable();
  return [
    {
      step: 'ocislim',
      status: 'ok',
      detail: `${VERSION} on Node ${process.versions.node}, ${process.platform}`,
    },
    isWritable
      ? { step: 'store', status: 'ok', detail: store.root }
      : { step: 'store', status: 'warning', detail: `${store.root}: can be read, but not written` },
  ];
}

async function examine(place: string, { context }: Session): Promise<readonly Finding[]> {
  const registry = await context.registry();
  const { isBareRegistry, parsePlace } = await import('../registry/place.ts');
  const reference = isBareRegistry(place) ? parsePlace(place, 'doctor') : registry.parse(place);
  return registry.diagnose(reference, { signal: context.signal });
}

function describe({ step, status, detail, hint }: AnyFinding): readonly string[] {
  const line = `${MARKS[status].padEnd(8)} ${step.padEnd(12)} ${sanitise(detail)}`;
  return hint === undefined ? [line] : [line, `${' '.repeat(22)}hint: ${sanitise(hint)}`];
}
