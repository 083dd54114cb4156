import { homedir } from 'node:os';
import { storePath } from '../config/paths.ts';
import { type Progress, silent } from '../lib/progress.ts';
import type { Registry } from '../registry/registry.ts';
import { Store } from '../store/store.ts';
import type { Context } from '../transports/context.ts';
import { VERSION } from '../version.ts';

export interface ContextOptions {
  /** Folder of the store; default `OCISLIM_HOME`, else the XDG data folder. */
  readonly store?: string | undefined;
  /** URLs to read a registry's images from first, by registry. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Registries that may be plain HTTP, or have a certificate nobody vouches for. */
  readonly insecure?: readonly string[] | undefined;
  /** More authorities to trust, PEM. */
  readonly caFile?: string | undefined;
  readonly offline?: boolean | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Opens what use cases work with: the store, and once it is needed the client of registries. Close it in the end. */
export async function openContext(
  options: ContextOptions = {},
): Promise<Context & { close(): Promise<void> }> {
  const { env = process.env, progress = silent, offline = false } = options;
  let registry: Promise<Registry> | undefined;
  const store = await Store.open(storePath({ store: options.store, env }));
  return {
    store,
    registry: () => {
      registry ??= connect(options, env, progress);
      return registry;
    },
    progress,
    signal: options.signal ?? new AbortController().signal,
    cwd: options.cwd ?? process.cwd(),
    env,
    offline,
    close: async () => {
      await registry?.then((open) => open.close()).catch(() => {});
      await store.close();
    },
  };
}

async function connect(
  { mirrors = {}, insecure = [], caFile }: ContextOptions,
  env: NodeJS.ProcessEnv,
  progress: Progress,
): Promise<Registry> {
  const [{ openRegistry }, { loadRegistriesConfig }] = await Promise.all([
    import('../registry/registry.ts'),
    import('../config/registries-conf.ts'),
  ]);
  const home = env['HOME'] ?? homedir();
  const config = await loadRegistriesConfig({ env, home });
  return openRegistry({
    config,
    mirrors,
    insecure,
    caFile,
    env,
    home,
    userAgent: `ocislim/${VERSION}`,
    progress,
  });
}
