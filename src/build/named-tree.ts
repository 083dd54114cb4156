import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openFolderTree } from '../dockerfile/context-tree.ts';
import type { FileTree } from '../dockerfile/file-tree.ts';
import { treeOfLayers } from '../dockerfile/layer-tree.ts';
import { OcislimError } from '../lib/errors.ts';
import { lazily } from '../lib/lazily.ts';
import type { Context } from '../transports/context.ts';
import { givenContext } from './context-name.ts';
import { findStage } from './graph.ts';
import { openImage } from './images.ts';
import { readIgnore } from './source.ts';
import { openNode, StageTree } from './stage-tree.ts';
import type { StageState } from './state.ts';
import { chainOf, type Step } from './step.ts';

/** What `--from` names: opened when it is first needed. */
export interface NamedTree {
  tree(): Promise<FileTree>;
}

/**
 * Finds what a name means: nothing the build context, else what `--build-context` says, a stage before this one, or an
 * image.
 */
export async function namedTree(name: string | undefined, step: Step): Promise<NamedTree> {
  const { env, at } = step;
  const { request, context } = env;
  if (name === undefined) return { tree: env.sources };
  const given = givenContext(request, name);
  const folder = given === undefined ? undefined : await folderOf(given, context);
  if (folder !== undefined) return { tree: async () => openContextFolder(folder, `build context ${name}`) };
  const stage = given === undefined ? findStage(env.file, name, at) : undefined;
  if (given === undefined && stage === undefined) refuseLater(name, step);
  if (stage !== undefined) {
    const { title, state, tree } = await env.stage(stage);
    return { tree: async () => treeOf(`stage ${title}`, state, tree, context) };
  }
  const { state } = await openImage(given ?? name, env.platform, request.created, context);
  return { tree: async () => treeOf(`image ${name}`, state, new StageTree(context), context) };
}

/** A folder without what its own `.dockerignore` leaves out, as with BuildKit. */
async function openContextFolder(folder: string, name: string): Promise<FileTree> {
  return openFolderTree(folder, { name, ignore: await readIgnore([join(folder, '.dockerignore')]) });
}

/** A stage can be made with those before it alone. */
function refuseLater(name: string, { env, at }: Step): void {
  const later = findStage(env.file, name);
  if (later === undefined) return;
  const why = later === at ? 'a stage cannot copy from itself' : 'that stage comes later';
  throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', `--from=${name}: ${why}`);
}

async function folderOf(given: string, { cwd }: Context): Promise<string | undefined> {
  const path = resolve(cwd, given);
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ? path : undefined;
}

/** A stage's or an image's files, which need not be looked into to be told from others. */
function treeOf(name: string, state: StageState, stage: StageTree, context: Context): FileTree {
  const merged = lazily(async () => {
    const tree = await stage.of(state.layers);
    const identity = chainOf(state);
    return treeOfLayers({ name, identity, tree, open: (node) => openNode(node, state, context) });
  });
  return {
    name,
    identity: chainOf(state),
    lookup: async (path, options) => (await merged()).lookup(path, options),
    list: async (path) => (await merged()).list(path),
    open: async (node) => (await merged()).open(node),
    digest: async (node) => (await merged()).digest(node),
  };
}
