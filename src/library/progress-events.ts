import type { Progress, ProgressStep, ProgressTask } from '../lib/progress.ts';

/**
 * What happens meanwhile. `id` is the same in all events of one piece of work, which ends with `done` or `failed`; texts
 * are as they come, and may hold what a build's commands print.
 */
export type ProgressEvent =
  /** A piece of work begins, e.g. a blob or a step of a build. `total` is in bytes, where it is known. */
  | {
      readonly type: 'start';
      readonly id: number;
      readonly what: 'task' | 'step';
      readonly label: string;
      readonly total?: number | undefined;
    }
  /** `bytes` went by since the last of these events. */
  | { readonly type: 'advance'; readonly id: number; readonly bytes: number }
  /** A line that a step of a build printed. */
  | { readonly type: 'output'; readonly id: number; readonly line: string }
  /** `outcome` says how, where it is not plain completion: `exists`, `mounted`, `cached`. */
  | { readonly type: 'done'; readonly id: number; readonly outcome?: string | undefined }
  | { readonly type: 'failed'; readonly id: number; readonly message?: string | undefined }
  | { readonly type: 'note' | 'warning'; readonly message: string };

/**
 * Progress as events: what `openContext` takes as `progress`. The listener is called at once, in the order in which
 * things happen, and should be quick; what it throws ends the work that was told of.
 */
export function progressEvents(listener: (event: ProgressEvent) => void): Progress {
  let last = 0;
  return {
    task: (label, total): ProgressTask => {
      const id = ++last;
      const once = ending();
      listener({ type: 'start', id, what: 'task', label, total });
      return {
        advance: (bytes) => listener({ type: 'advance', id, bytes }),
        done: (outcome) => once(() => listener({ type: 'done', id, outcome })),
        fail: () => once(() => listener({ type: 'failed', id })),
      };
    },
    step: (label): ProgressStep => {
      const id = ++last;
      const once = ending();
      listener({ type: 'start', id, what: 'step', label });
      return {
        output: (line) => listener({ type: 'output', id, line }),
        done: (outcome) =>
          once(() => listener({ type: 'done', id, outcome: outcome === 'cached' ? outcome : undefined })),
        fail: (message) => once(() => listener({ type: 'failed', id, message })),
      };
    },
    note: (message) => listener({ type: 'note', message }),
    warn: (message) => listener({ type: 'warning', message }),
  };
}

/** Work that has ended may be told so again by whoever cleans up. */
function ending(): (tell: () => void) => void {
  let isOpen = true;
  return (tell) => {
    if (isOpen) tell();
    isOpen = false;
  };
}
