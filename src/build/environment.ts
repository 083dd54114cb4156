import type { Digest, Platform } from '#oci-spec-types';
import type { Dockerfile } from '../dockerfile/ast.ts';
import type { FileTree } from '../dockerfile/file-tree.ts';
import type { Remotes } from '../dockerfile/remote.ts';
import type { Base } from '../pack/base.ts';
import type { Driver } from '../sandbox/driver.ts';
import type { Context } from '../transports/context.ts';
import type { Arguments } from './arguments.ts';
import type { BuildRequest } from './request.ts';
import type { StageTree } from './stage-tree.ts';
import type { StageState } from './state.ts';
import type { StepResult, Steps } from './step-cache.ts';

/** What a stage of one platform's build is made with. */
export interface BuildEnvironment {
  readonly request: BuildRequest;
  readonly context: Context;
  /** The same, for what goes on when this build has failed. */
  readonly outer: Context;
  /** Ends what other stages are doing. */
  abandon(error: unknown): void;
  readonly file: Dockerfile;
  readonly platform: Platform;
  readonly args: Arguments;
  /** What the context is told from others by. */
  readonly project: string;
  /** Stages whose layers the image has. */
  readonly kept: ReadonlySet<number>;
  /** Stages whose steps are done anew. */
  readonly anew: ReadonlySet<number>;
  /** Results of steps from other machines. */
  readonly imported: Steps;
  /** What this build's steps came to. */
  readonly results: Map<Digest, StepResult>;
  /** The build context, opened when it is first needed. */
  sources(): Promise<FileTree>;
  /** What ADD fetches, each once. */
  readonly remotes: Remotes;
  /** What keeps commands in, chosen when it is first needed. */
  driver(): Promise<Driver>;
  /** A stage of the file by its number; made once, however many ask. */
  stage(at: number): Promise<BuiltStage>;
}

/** A stage with all its instructions done. */
export interface BuiltStage {
  readonly title: string;
  readonly state: StageState;
  readonly tree: StageTree;
  /** What its base was named, e.g. `alpine:3.20`; `scratch` has no reference. */
  readonly base: BaseName;
}

export type BaseName = Omit<Base, 'image'>;
