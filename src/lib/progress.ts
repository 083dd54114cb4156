/** What long work tells whoever watches; `ui/` draws it, libraries may ignore it. */
export interface Progress {
  /** Starts one visible piece of work, e.g. a blob. `total` is in bytes where it is known. */
  task(label: string, total?: number): ProgressTask;
  /** Starts a step of a build, e.g. `[builder 2/3] RUN make`. */
  step(title: string): ProgressStep;
  /** A line worth showing once, such as "base alpine is linux/amd64". */
  note(message: string): void;
  /** A line that the user should act on some day. */
  warn(message: string): void;
}

export interface ProgressTask {
  advance(bytes: number): void;
  /** Ends the task; `outcome` says how where it is not plain completion: `exists`, `mounted`, `cached`. */
  done(outcome?: string): void;
  fail(): void;
}

/** One of a build's instructions, which may print. */
export interface ProgressStep {
  output(line: string): void;
  /** `cached`: it was not run, since its result was there. */
  done(outcome: 'done' | 'cached'): void;
  fail(why: string): void;
}

const silentStep: ProgressStep = { output() {}, done() {}, fail() {} };
const silentTask: ProgressTask = { advance() {}, done() {}, fail() {} };

/** Shows nothing. */
export const silent: Progress = { task: () => silentTask, step: () => silentStep, note() {}, warn() {} };
