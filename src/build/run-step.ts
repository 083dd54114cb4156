import { formatPlatform, hostPlatform, runsOn } from '#oci-spec-types';
import { homeOf } from '../check/user.ts';
import type { Command, RunInstruction } from '../dockerfile/ast.ts';
import { platformOfConfig } from '../image/load.ts';
import { OcislimError } from '../lib/errors.ts';
import { LineCutter } from '../lib/lines.ts';
import type { ProgressStep } from '../lib/progress.ts';
import { layersAtHand } from '../pack/layers.ts';
import type { Order, Room } from '../sandbox/room.ts';
import { proxyVariables } from './arguments.ts';
import { argvOf, type Words } from './configure.ts';
import { identityOf } from './identity.ts';
import { ownCaches } from './own-caches.ts';
import type { RunLayerRequest } from './run-layer.ts';
import { describeMounts, prepareMounts } from './run-mounts.ts';
import { DEFAULT_PATH, type StageState } from './state.ts';
import { addLayer, type Step, treeOf } from './step.ts';
import type { StepResult } from './step-cache.ts';

/** Lines of a failed command's output that its error has. */
const KEPT_LINES = 20;
/** What no build comes to, and a fork bomb does. */
const LIMITS = { processes: 8192 } as const;

/** Runs a command in the root that a stage has come to; what it changes is a layer. @throws OCISLIM_STEP_FAILED */
export async function runStep(
  instruction: RunInstruction,
  state: StageState,
  words: Words,
  step: Step,
): Promise<StageState> {
  const { request, args } = step.env;
  const command = withHeredocs(instruction.command);
  const script = ownScript(command, instruction);
  const argv = script === undefined ? argvOf(command, state.config) : [script.target];
  const network = networkOf(instruction, words, request.network);
  const mounts = await describeMounts(instruction, state, step);
  const env = { PATH: DEFAULT_PATH, ...Object.fromEntries(state.vars) };
  const { User = '', WorkingDir } = state.config;
  const cwd = WorkingDir || '/';
  const proxies = proxyVariables(args);
  // What is made with such a cache has the cache's files in no layer.
  const hasOwnCaches = request.cache && !request.hermetic && !step.env.kept.has(step.at) && User === '';
  return addLayer(state, step, {
    kind: 'run',
    parts: [
      argv,
      script?.content ?? null,
      hasOwnCaches,
      Object.entries(env).sort(),
      cwd,
      User,
      network,
      mounts.map(({ key }) => key),
    ],
    createdBy: `RUN ${argvOf(command, state.config).join(' ')}`,
    // With one id, commands cannot give files to others: what they make is not what it would be elsewhere.
    variant: async () => ((await step.env.driver()).files.ids === 'one' ? 'one id' : undefined),
    make: async (progress) => {
      const tree = await treeOf(state, step);
      const identity = identityOf(User, tree);
      const prepared = await prepareMounts(mounts, step);
      try {
        const order: Order = {
          args: argv,
          env: { HOME: homeOf(identity.uid, tree), ...proxies, ...env, ...prepared.env },
          cwd,
          identity,
        };
        const own = script === undefined ? [] : [await prepared.file(script.content, script.target)];
        const given = mounts.map(({ target }) => target);
        const home = order.env['HOME'] ?? '/root';
        const caches = hasOwnCaches ? await ownCaches(home, tree, given, step.env) : [];
        const room = {
          mounts: [...prepared.mounts, ...own, ...caches],
          network,
          hostname: 'ocislim',
          limits: LIMITS,
        };
        return await runOrder(instruction, state, { tree, order, room }, progress, step);
      } finally {
        await prepared.dispose();
      }
    },
  });
}

/** A command in shell form with the here-documents that belong to it. */
function withHeredocs(command: Command): Command {
  if (command.form === 'exec' || command.heredocs.length === 0) return command;
  const [first, ...others] = command.heredocs;
  // A here-document alone is the script itself.
  if (first !== undefined && others.length === 0 && /^\d*<<-?\s*(['"]?)[^\s'"]+\1$/.test(command.text.trim()))
    return { form: 'shell', text: first.content, heredocs: [] };
  const bodies = command.heredocs.map(({ content, name }) => `${content}${name}`);
  return { form: 'shell', text: [command.text, ...bodies].join('\n'), heredocs: [] };
}

/** A script that says itself what runs it, where a here-document is one. */
function ownScript(
  command: Command,
  { command: written }: RunInstruction,
): { readonly content: string; readonly target: string } | undefined {
  if (command.form === 'exec' || written.form === 'exec' || !command.text.startsWith('#!')) return undefined;
  const [heredoc] = written.heredocs;
  return heredoc && { content: command.text, target: `/.ocislim/${heredoc.name}` };
}

function networkOf({ network }: RunInstruction, words: Words, usual: Room['network']): Room['network'] {
  if (network === undefined) return usual;
  const mode = words.one(network);
  if (mode === 'none' || mode === 'host') return mode;
  if (mode === 'default' || mode === '') return usual;
  throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', `--network=${mode}: must be default, none or host`);
}

async function runOrder(
  { source }: RunInstruction,
  { layers, base }: StageState,
  { tree, order, room }: Pick<RunLayerRequest, 'tree' | 'order' | 'room'>,
  progress: ProgressStep,
  { env }: Step,
): Promise<StepResult> {
  const { request, context } = env;
  const driver = await env.driver();
  if (room.network === 'none' && !driver.isolatesNetwork)
    context.progress.warn(`${driver.name} cannot keep commands off the network`);
  const last: string[] = [];
  const lines = new LineCutter((line) => {
    progress.output(line);
    last.push(line);
    if (last.length > KEPT_LINES) last.shift();
  });
  const onOutput = (chunk: Buffer) => lines.write(chunk);
  const { created } = request;
  const run = { layers: await layersAtHand(layers, context), tree, driver, room, order, created };
  const { runLayer } = await import('./run-layer.ts');
  const { code, layer } = await runLayer({ ...run, onOutput }, context);
  lines.end();
  if (code === 0) return { layer };
  const error = new OcislimError('OCISLIM_STEP_FAILED', `RUN ended with exit code ${code}: ${source}`, {
    output: last,
    hint: foreignHint(base) ?? (request.debugShell ? undefined : DEBUG_HINT),
  });
  if (request.debugShell) {
    const { debugShell } = await import('./debug-shell.ts');
    progress.fail(error.message);
    env.abandon(error);
    await debugShell(run, env.outer);
  }
  throw error;
}

const DEBUG_HINT = 'the same with --debug-shell opens a shell at this point';

/** What may be the reason where an image is of another kind of machine. */
function foreignHint(base: StageState['base']): string | undefined {
  const platform = base && platformOfConfig(base.config);
  if (platform === undefined || runsOn(platform, hostPlatform())) return undefined;
  return `programs of ${formatPlatform(platform)} run here only with an emulator (qemu-user-static); FROM --platform=$BUILDPLATFORM makes a stage one of this machine`;
}
