import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openFolderTree, treeOfLayers } from '../dockerfile/context-tree.ts';
import type { FileTree } from '../dockerfile/file-tree.ts';
import type { Context } from '../transports/context.ts';
import { findStage } from './graph.ts';
import { openImage } from './images.ts';
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
  const given = request.contexts.get(name);
  const folder = given === undefined ? undefined : await folderOf(given, context);
  if (folder !== undefined)
    return { tree: async () => openFolderTree(folder, { name: `build context ${name}` }) };
  const stage = given === undefined ? findStage(env.file, name, at) : undefined;
  if (stage !== undefined) {
    const { title, state, tree } = await env.stage(stage);
    return { tree: async () => treeOf(`stage ${title}`, state, tree, context) };
  }
  const { state } = await openImage(given ?? name, env.platform, request.created, context);
  return { tree: async () => treeOf(`image ${name}`, state, new StageTree(context), context) };
}

async function folderOf(given: string, { cwd }: Context): Promise<string | undefined> {
  const path = resolve(cwd, given);
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ? path : undefined;
}

function treeOf(name: string, state: StageState, tree: StageTree, context: Context): FileTree {
  return treeOfLayers({
    name,
    identity: chainOf(state),
    tree: () => tree.of(state.layers),
    open: (node) => openNode(node, state, context),
  });
}
