import { pathsTo } from '../layer/clean-path.ts';
import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import { placeEntries } from '../rootfs/place.ts';
import { identityOf } from './identity.ts';
import type { StageState } from './state.ts';
import { addLayer, type Step, treeOf } from './step.ts';

/** Makes the folder that WORKDIR has named, where it is not there. */
export async function workdirStep(state: StageState, step: Step): Promise<StageState> {
  const { request, context } = step.env;
  const path = state.config.WorkingDir ?? '/';
  const [history, before] = [state.history.at(-1)?.created_by ?? '', state.history.slice(0, -1)];
  return addLayer({ ...state, history: before }, step, {
    kind: 'workdir',
    parts: [path, state.config.User ?? ''],
    createdBy: history,
    make: async () => {
      const tree = await treeOf(state, step);
      const there = tree.lookup(path);
      if (there?.type === 'directory') return {};
      if (there !== undefined)
        throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', `${path} is a file in the image, not a folder`);
      // As in BuildKit it is the user's that commands here run as, and so are folders that are made on the way.
      const { uid, gid } = identityOf(state.config.User ?? '', tree);
      const mtime = request.created;
      const real = tree.resolveFolder(path);
      const folders = pathsTo(real.path).slice(real.existing);
      const entries = folders.map((each): Entry => {
        return { path: each, type: 'directory', mode: 0o755, uid, gid, mtime };
      });
      const { storeLayer } = await import('../pack/assemble.ts');
      const placed = placeEntries(entries, tree, mtime);
      return { layer: await storeLayer(placed, { kind: 'none' }, context) };
    },
  });
}
