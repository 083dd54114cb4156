import type { Progress } from '../lib/progress.ts';
import type { Registry } from '../registry/registry.ts';
import type { Store } from '../store/store.ts';

/** What use cases and transports work with; a command line or a program that uses the library makes one. */
export interface Context {
  readonly store: Store;
  /** Opened when first needed, since most runs touch no network. */
  registry(): Promise<Registry>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** What relative paths are relative to. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** References of registries mean what they meant when last asked; nothing is sent or fetched. */
  readonly offline: boolean;
}
