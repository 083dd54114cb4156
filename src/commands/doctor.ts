import { Command } from 'commander';
import { OcislimError } from '../lib/errors.ts';
import type { Finding } from '../registry/diagnosis.ts';
import type { Context } from '../transports/context.ts';
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

/** The standalone executable has Bun in it. */
function runtime(): string {
  const { bun, node } = process.versions;
  return bun === undefined ? `Node ${node}` : `Bun ${bun}`;
}

async function examineHere({ context }: Session): Promise<readonly AnyFinding[]> {
  const { store } = context;
  const isWritable = await store.isWritable();
  return [
    {
      step: 'ocislim',
      status: 'ok',
      detail: `${VERSION} on ${runtime()}, ${process.platform}`,
    },
    isWritable
      ? { step: 'store', status: 'ok', detail: store.root }
      : { step: 'store', status: 'warning', detail: `${store.root}: can be read, but not written` },
    ...(isWritable ? [await examineSandbox(context)] : []),
    await examineToolchains(context),
  ];
}

/** Whether commands of an image can be run: for compiling in a toolchain's image, and for `run`. */
async function examineSandbox(context: Context): Promise<AnyFinding> {
  const { sandboxFor } = await import('../pack/sandbox.ts');
  try {
    const { title } = await sandboxFor('auto', context);
    return { step: 'sandbox', status: 'ok', detail: title };
  } catch (error) {
    if (!(error instanceof OcislimError) || error.code !== 'OCISLIM_SANDBOX_UNAVAILABLE') throw error;
    return { step: 'sandbox', status: 'warning', detail: error.message, hint: error.hint };
  }
}

/** Which languages can be compiled on this machine. */
async function examineToolchains({ env }: Context): Promise<AnyFinding> {
  const { toolchainsHere } = await import('../compile/here.ts');
  const { found, missing } = await toolchainsHere(env);
  const detail = `${found.join(', ') || 'none'}${missing.length > 0 ? ` (not here: ${missing.join(', ')})` : ''}`;
  return { step: 'toolchains', status: 'ok', detail };
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
