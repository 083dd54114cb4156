/** What long work tells whoever watches; `ui/` draws it, libraries may ignore it. */
export interface Progress {
  /** Starts one visible piece of work, e.g. a blob. `total` is in bytes where it is known. */
  task(label: string, total?: number): ProgressTask;
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

const silentTask: ProgressTask = { advance() {}, done() {}, fail() {} };

/** Shows nothing. */
export const silent: Progress = { task: () => silentTask, note() {}, warn() {} };
