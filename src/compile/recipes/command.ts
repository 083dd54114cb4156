import { posix } from 'node:path';
import { OcislimError } from '../../lib/errors.ts';
import type { Recipe } from '../recipe.ts';

/** What `--build CMD --artifact PATH` says. */
export interface BuildCommand {
  /** For `sh -c`, in the folder of the source. */
  readonly build: string;
  /** Relative to that folder. */
  readonly artifact: string;
}

/**
 * A source that is compiled as the user says.
 * @throws OCISLIM_USAGE for an artifact out of the source
 */
export function commandRecipe({ build, artifact }: BuildCommand): Recipe {
  const path = posix.normalize(artifact);
  if (posix.isAbsolute(path) || /^\.\.(\/|$)/.test(path) || path === '.') {
    throw new OcislimError('OCISLIM_USAGE', `--artifact ${artifact}: not a path in the source`, {
      hint: 'name what the command makes as seen from the source, for example --artifact build/hello',
    });
  }
  const name = posix.basename(path).replace(/\.jar$/, '');
  return {
    name: 'command',
    title: 'a command',
    signs: [],
    leavings: [],
    identify: [],
    recognise: async (source) => [
      {
        name,
        ...(source.file === undefined ? {} : { files: [source.file] }),
        plan: ({ places }) => ({
          steps: [['sh', '-c', build]],
          cwd: places.source,
          env: {},
          artifact: posix.join(places.source, path),
          kind: path.endsWith('.jar') ? 'jar' : 'program',
          caches: [],
          tools: ['sh'],
          images: [],
          writesSource: true,
          needsNetwork: true,
        }),
      },
    ],
  };
}
