import { hostPlatform, type Platform, parsePlatform } from '#oci-spec-types';
import type { Dockerfile, FromInstruction, Instruction, Range, Word } from '../dockerfile/ast.ts';
import { dockerfileError } from '../dockerfile/error.ts';
import { type ExpandOptions, expandWord, expandWords } from '../dockerfile/expand.ts';
import { parseTrigger } from '../dockerfile/parse.ts';
import { isAbort, OcislimError } from '../lib/errors.ts';
import { declareArguments } from './arguments.ts';
import { configure, type Words } from './configure.ts';
import { givenContext } from './context-name.ts';
import { copyStep } from './copy-step.ts';
import type { BaseName, BuildEnvironment, BuiltStage } from './environment.ts';
import { findStage, stageTitle } from './graph.ts';
import { openImage } from './images.ts';
import { runStep } from './run-step.ts';
import { StageTree } from './stage-tree.ts';
import { beginWithStage, type StageState } from './state.ts';
import type { Step } from './step.ts';
import { workdirStep } from './workdir-step.ts';

/** Makes a stage, instruction by instruction. @throws OCISLIM_DOCKERFILE_INVALID | OCISLIM_STEP_FAILED, and more */
export async function buildStage(at: number, env: BuildEnvironment): Promise<BuiltStage> {
  const { file, context } = env;
  const stage = file.stages[at];
  if (stage === undefined) throw new OcislimError('OCISLIM_INTERNAL', `no stage ${at}`);
  const title = stageTitle(file, at);
  const begun = await located(env, stage.from.range, () => begin(stage.from, at, env));
  const tree = new StageTree(context);
  const triggers = begun.triggers.map((trigger) =>
    parseTrigger(trigger, { name: `ONBUILD of ${begun.base.name}` }),
  );
  const all = [...triggers, ...stage.instructions];
  const count = 1 + all.filter(makesLayer).length;
  const hasCommands = all.some(({ kind }) => kind === 'run');
  context.progress
    .step(`[${title} 1/${count}] FROM ${begun.base.name}`)
    .done(begun.isStage ? 'cached' : 'done');

  let state = begun.state;
  let number = 1;
  const perform = async (instruction: Instruction, range: Range) => {
    context.signal.throwIfAborted();
    if (makesLayer(instruction)) number++;
    const place = `[${title} ${number}/${count}]`;
    const step: Step = { env, at, tree, title: `${place} ${instruction.source}`, range, hasCommands };
    state = await located(env, range, () => performInstruction(instruction, state, step));
  };
  for (const trigger of triggers) await perform(trigger, stage.from.range);
  for (const instruction of stage.instructions) await perform(instruction, instruction.range);
  return { title, state, tree, base: begun.base };
}

function makesLayer({ kind }: Instruction): boolean {
  return kind === 'run' || kind === 'copy' || kind === 'add' || kind === 'workdir';
}

interface Begun {
  readonly state: StageState;
  readonly base: BaseName;
  readonly triggers: readonly string[];
  readonly isStage: boolean;
}

async function begin(from: FromInstruction, at: number, env: BuildEnvironment): Promise<Begun> {
  const { file, args, request, context } = env;
  const get = (name: string) => args.globals.get(name) ?? args.automatic.get(name);
  const expand = (word: Word) => expandWord(word.text, { get }, optionsAt(word, file));
  const name = expand(from.image);
  if (name === '') {
    throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', `${from.image.text} comes to nothing`, {
      hint: 'give the ARG before FROM a default, or its value with --build-arg',
    });
  }
  const platform = from.platform === undefined ? env.platform : platformOf(expand(from.platform));
  const given = givenContext(request, name);
  const stage = given === undefined ? findStage(file, name, at) : undefined;
  if (stage !== undefined) {
    const { state, base } = await env.stage(stage);
    return { state: beginWithStage(state), base, triggers: state.config.OnBuild ?? [], isStage: true };
  }
  const opened = await openImage(given ?? name, platform, request.created, context);
  // Messages, and the image's annotations, have the name as it is written.
  return { ...opened, base: { ...opened.base, name }, isStage: false };
}

function platformOf(text: string): Platform {
  return text === 'local' ? hostPlatform() : parsePlatform(text);
}

function performInstruction(
  instruction: Instruction,
  state: StageState,
  step: Step,
): Promise<StageState> | StageState {
  const words = wordsOf(state, step);
  switch (instruction.kind) {
    case 'arg': {
      const { file, args } = step.env;
      const automatic = new Map([...args.automatic, ['TARGETSTAGE', stageTitle(file, step.at)]]);
      return declareArguments(state, instruction, { ...args, automatic }, (word, get) =>
        expandWord(word.text, { get }, optionsAt(word, file)),
      );
    }
    case 'run':
      return runStep(instruction, state, words, step);
    case 'copy':
    case 'add':
      return copyStep(instruction, state, words, step);
    case 'workdir':
      return workdirStep(configure(state, instruction, words), step);
    default:
      return configure(state, instruction, words);
  }
}

function wordsOf({ vars }: StageState, { env: { file } }: Step): Words {
  const scope = { get: (name: string) => vars.get(name) };
  return {
    one: (word) => expandWord(word.text, scope, optionsAt(word, file)),
    several: (word) => expandWords(word.text, scope, optionsAt(word, file)),
  };
}

function optionsAt({ range }: Word, file: Dockerfile): ExpandOptions {
  return { escape: file.escape, at: { file, range } };
}

/** Says of what goes wrong where in the file it did. */
async function located<T>({ file }: BuildEnvironment, range: Range, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OcislimError) || isAbort(error)) throw error;
    if (error.message.startsWith(`${file.name}:`)) throw error;
    if (error.code === 'OCISLIM_DOCKERFILE_INVALID')
      throw dockerfileError(file, range, error.message, { hint: error.hint });
    throw error.within(`${file.name}:${range.start.line}`);
  }
}
