import { onTestFinished } from 'vitest';
import { noRegistriesConfig } from '../../src/config/registries-conf.ts';
import { type Progress, silent } from '../../src/lib/progress.ts';
import { openRegistry, type Registry, type RegistryOptions } from '../../src/registry/registry.ts';
import { tempDir } from './temp.ts';

/** A client that waits for nothing and knows no credentials, closed with its test; `warnings` gathers what it warns of. */
export function registryClient({
  onSleep,
  ...options
}: Partial<RegistryOptions> & {
  /** Told of each wait. */
  readonly onSleep?: (milliseconds: number) => Promise<void>;
} = {}): Registry & { readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  // Time passes only by waiting.
  let clock = Date.now();
  const sleep = async (milliseconds: number) => {
    clock += milliseconds;
    await onSleep?.(milliseconds);
  };
  const progress: Progress = { ...silent, warn: (message) => void warnings.push(message) };
  const registry = openRegistry({
    config: noRegistriesConfig,
    mirrors: {},
    insecure: [],
    env: {},
    home: tempDir(),
    userAgent: 'ocislim/test',
    progress,
    sleep,
    now: () => clock,
    ...options,
  });
  onTestFinished(() => registry.close());
  return { ...registry, warnings };
}
