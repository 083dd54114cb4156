import { homedir } from 'node:os';
import { join } from 'node:path';
import { type CacheName, type Places, PROJECT_CACHES } from './recipe.ts';

/** Places in a sandbox, which are the same on every machine. */
export const SANDBOX_PLACES: Places = {
  source: '/src',
  output: '/out',
  cache: (name) => `/cache/${name}`,
  scratch: '/work',
};

/**
 * Where the tools of this machine keep what they share between projects: their own places, so that what the user has
 * compiled or fetched before is used. What belongs to one project goes below `folder`.
 */
export function hostCache(
  name: CacheName,
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): string {
  if (PROJECT_CACHES.has(name)) return join(folder, name);
  const home = env['HOME'] || homedir();
  switch (name) {
    case 'go-build':
      return env['GOCACHE'] || join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'go-build');
    case 'go-mod':
      return env['GOMODCACHE'] || join(env['GOPATH']?.split(':')[0] || join(home, 'go'), 'pkg', 'mod');
    case 'cargo':
      return env['CARGO_HOME'] || join(home, '.cargo');
    case 'maven':
      return join(home, '.m2', 'repository');
    case 'npm':
      return env['npm_config_cache'] || join(home, '.npm');
    default:
      return join(folder, name);
  }
}
