import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CopyInstruction, Heredoc, Word } from '../dockerfile/ast.ts';
import { copyKey } from '../dockerfile/copy-key.ts';
import type { CopyRequest } from '../dockerfile/copy-request.ts';
import { expandHeredoc } from '../dockerfile/expand.ts';
import { removeTree } from '../lib/remove-tree.ts';
import type { Words } from './configure.ts';
import { namedTree } from './named-tree.ts';
import type { StageState } from './state.ts';
import { addLayer, type Step, treeOf } from './step.ts';

/** Does COPY or ADD: what it brings is a layer. */
export async function copyStep(
  instruction: CopyInstruction,
  state: StageState,
  words: Words,
  step: Step,
): Promise<StageState> {
  const { context } = step.env;
  const request = requestOf(instruction, state, words, step);
  const from = await namedTree(instruction.from?.text, step);
  const source = await from.tree();
  const { remotes } = step.env;
  const { signal } = context;
  return addLayer(state, step, {
    kind: 'copy',
    parts: await copyKey(request, source, { remotes, signal }),
    createdBy: instruction.source,
    make: async () => {
      const folder = await context.store.temporaryFile();
      let files = 0;
      const temporaryFile = async () => {
        await mkdir(folder, { recursive: true });
        return join(folder, `${files++}`);
      };
      try {
        const [{ planCopy }, { storeLayer }] = await Promise.all([
          import('../dockerfile/copy.ts'),
          import('../pack/assemble.ts'),
        ]);
        const image = await treeOf(state, step);
        const entries = await planCopy(request, source, image, { remotes, temporaryFile, signal });
        return entries.length === 0 ? {} : { layer: await storeLayer(entries, { kind: 'none' }, context) };
      } finally {
        await removeTree(folder);
      }
    },
  });
}

function requestOf(
  instruction: CopyInstruction,
  state: StageState,
  words: Words,
  { env }: Step,
): CopyRequest {
  const one = (word: Word | undefined) => (word === undefined ? undefined : words.one(word));
  const { kind, sources, destination, chown, chmod, link, parents, exclude } = instruction;
  const { checksum, keepGitDir, unpack } = instruction;
  const scope = { get: (name: string) => state.vars.get(name) };
  return {
    kind,
    sources: sources.map((source) => {
      if (!isHeredoc(source)) return words.one(source);
      const { name, content, isExpanded } = source;
      return {
        name,
        content: isExpanded
          ? expandHeredoc(content, scope, { at: { file: env.file, range: source.range } })
          : content,
      };
    }),
    destination: words.one(destination),
    workdir: state.config.WorkingDir || '/',
    chown: one(chown),
    chmod: one(chmod),
    link,
    parents,
    exclude: exclude.map((word) => words.one(word)),
    created: env.request.created,
    checksum: one(checksum),
    keepGitDir,
    unpack,
  };
}

function isHeredoc(source: Word | Heredoc): source is Heredoc {
  return 'content' in source;
}
