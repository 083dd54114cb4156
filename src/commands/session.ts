import { loadProjectConfig, type PackSettings, type ProjectConfig } from '../config/project.ts';
import { OcislimError } from '../lib/errors.ts';
import { openContext } from '../pack/open-context.ts';
import type { Context } from '../transports/context.ts';
import { createProgress } from '../ui/progress.ts';
import type { GlobalOptions } from './options.ts';

/** What a command works with: the context of the use cases, and where its result goes. */
export interface Session {
  readonly context: Context;
  readonly project: ProjectConfig | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Writes the result: one object with `--json`, else the lines. */
  result(value: unknown, lines: readonly string[]): void;
  /** Writes for the person at the terminal, on standard error; silent with `-q` or `--json`. */
  say(line: string): void;
}

/**
 * Runs one command: opens what it needs from the global options, and closes it whatever happens.
 */
export async function withSession(
  options: GlobalOptions,
  signal: AbortSignal,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const cwd = process.cwd();
  const env = process.env;
  const project = await loadProjectConfig(options.config, cwd);
  const defaults: Partial<PackSettings> = project?.defaults ?? {};
  const progress = createProgress({
    stream: process.stderr,
    env,
    mode: options.quiet || defaults.quiet ? 'none' : (options.progress ?? progressMode(defaults.progress)),
  });
  const context = await openContext({
    store: options.store ?? defaults.store,
    mirrors: mirrorsOf(options.mirror ?? [], defaults.mirror ?? {}),
    insecure: [...(options.insecure ?? []), ...(defaults.insecure ?? [])],
    caFile: options.caFile ?? defaults.caFile,
    offline: options.offline ?? defaults.offline ?? false,
    progress,
    signal,
    cwd,
    env,
  });
  // However the process ends, the terminal gets its cursor back.
  process.once('exit', () => progress.close());
  const json = options.json === true;
  const quiet = options.quiet === true;
  try {
    await work({
      context,
      project,
      json,
      quiet,
      result: (value, lines) => {
        progress.close();
        const text = json ? [JSON.stringify(value)] : lines;
        for (const line of text) process.stdout.write(`${line}\n`);
      },
      say: (line) => {
        progress.close();
        if (!json && !quiet) process.stderr.write(`${line}\n`);
      },
    });
  } finally {
    progress.close();
    await context.close();
  }
}

function progressMode(value: string | undefined): GlobalOptions['progress'] & string {
  return value === 'plain' || value === 'json' || value === 'none' ? value : 'auto';
}

/** `--mirror REGISTRY=URL` options before those of the project file, by registry. */
function mirrorsOf(
  options: readonly string[],
  configured: Readonly<Record<string, string>>,
): Record<string, readonly string[]> {
  const mirrors: Record<string, readonly string[]> = {};
  for (const option of options) {
    const [registry, url] = split(option);
    mirrors[registry] = [...(mirrors[registry] ?? []), url];
  }
  for (const [registry, url] of Object.entries(configured))
    mirrors[registry] = [...(mirrors[registry] ?? []), url];
  return mirrors;
}

function split(option: string): [string, string] {
  const at = option.indexOf('=');
  if (at < 1 || at === option.length - 1) {
    throw new OcislimError('OCISLIM_USAGE', `--mirror ${option}: must be REGISTRY=URL`, {
      hint: 'for example --mirror docker.io=https://mirror.example.com',
    });
  }
  return [option.slice(0, at), option.slice(at + 1)];
}
