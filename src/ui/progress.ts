import type { Progress, ProgressStep, ProgressTask } from '../lib/progress.ts';
import { redact } from '../lib/redact.ts';
import { wantsColour } from './colour.ts';
import { plainLine, sanitise } from './sanitise.ts';
import { humanSize } from './size.ts';

export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressOptions {
  readonly stream: ProgressStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `auto` animates on a terminal and is `plain` elsewhere. */
  readonly mode: 'auto' | 'plain' | 'json' | 'none';
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

/** Shows long work on standard error; `close` ends it, leaving only finished lines. */
export function createProgress(options: ProgressOptions): Progress & { close(): void } {
  const now = options.now ?? Date.now;
  switch (options.mode) {
    case 'none':
      return new Lines({ event: () => {} }, now);
    case 'json':
      return new Lines({ event: (event) => options.stream.write(`${JSON.stringify(event)}\n`) }, now);
    case 'plain':
      return new Lines(new PlainView(options.stream), now);
    case 'auto':
      return wantsColour(options.stream, options.env)
        ? new Lines(new TerminalView(options.stream, now), now)
        : new Lines(new PlainView(options.stream), now);
  }
}

interface Event {
  readonly type: 'start' | 'done' | 'failed' | 'note' | 'warning' | 'output';
  /** Of a build's step, counted from 1 in the order in which they were begun. */
  readonly step?: number | undefined;
  readonly label?: string;
  readonly message?: string;
  /** Bytes. */
  readonly size?: number | undefined;
  readonly outcome?: string | undefined;
  readonly seconds?: number;
}

interface View {
  event(event: Event, task?: TaskState): void;
  /** Some bytes went by. */
  advanced?(): void;
  close?(): void;
}

interface TaskState {
  readonly label: string;
  readonly total: number | undefined;
  readonly started: number;
  done: number;
  /** What a step has printed last; undefined for what is no step. */
  readonly lines?: string[] | undefined;
}

/** Lines of a running step that a terminal shows. */
const SHOWN_LINES = 4;

/** Turns the calls of whoever works into events of a view. */
class Lines implements Progress {
  readonly #view: View;
  readonly #now: () => number;
  #steps = 0;

  constructor(view: View, now: () => number) {
    this.#view = view;
    this.#now = now;
  }

  step(title: string): ProgressStep {
    const step = ++this.#steps;
    const lines: string[] = [];
    const label = sanitise(redact(title));
    const state: TaskState = { label, total: undefined, started: this.#now(), done: 0, lines };
    const seconds = () => Math.round(this.#now() - state.started) / 1000;
    let isOpen = true;
    const end = (event: Pick<Event, 'type' | 'message' | 'outcome'>) => {
      if (isOpen) this.#view.event({ ...event, step, label, seconds: seconds() }, state);
      isOpen = false;
    };
    this.#view.event({ type: 'start', step, label }, state);
    return {
      output: (line) => {
        const message = plainLine(line);
        lines.push(message);
        if (lines.length > SHOWN_LINES) lines.shift();
        this.#view.event({ type: 'output', step, message, seconds: seconds() }, state);
      },
      done: (outcome) => end({ type: 'done', outcome }),
      fail: (why) => end({ type: 'failed', message: sanitise(redact(why)) }),
    };
  }

  task(label: string, total?: number): ProgressTask {
    const state: TaskState = { label: sanitise(label), total, started: this.#now(), done: 0 };
    let open = true;
    const end = (type: 'done' | 'failed', outcome?: string) => {
      if (!open) return;
      open = false;
      const seconds = Math.round(this.#now() - state.started) / 1000;
      this.#view.event({ type, label: state.label, size: total ?? state.done, outcome, seconds }, state);
    };
    this.#view.event({ type: 'start', label: state.label, size: total }, state);
    return {
      advance: (bytes) => {
        state.done += bytes;
        this.#view.advanced?.();
      },
      done: (outcome) => end('done', outcome),
      fail: () => end('failed'),
    };
  }

  note(message: string): void {
    this.#view.event({ type: 'note', message: sanitise(redact(message)) });
  }

  warn(message: string): void {
    this.#view.event({ type: 'warning', message: sanitise(redact(message)) });
  }

  close(): void {
    this.#view.close?.();
  }
}

/** A line when something ended, for logs. */
class PlainView implements View {
  readonly #stream: ProgressStream;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  event(event: Event): void {
    const line = event.step === undefined ? lineOf(event) : stepLine(event.step, event);
    if (line !== undefined) this.#stream.write(`${line}\n`);
  }
}

/** As BuildKit writes them into logs, so that tools which read those can read these. */
function stepLine(
  step: number,
  { type, label, message = '', outcome, seconds = 0 }: Event,
): string | undefined {
  switch (type) {
    case 'start':
      return `#${step} ${label}`;
    case 'output':
      return `#${step} ${seconds.toFixed(3)} ${message}`;
    case 'done':
      return outcome === 'cached' ? `#${step} CACHED` : `#${step} DONE ${seconds.toFixed(1)}s`;
    case 'failed':
      return `#${step} ERROR: ${message}`;
    default:
      return undefined;
  }
}

function lineOf(event: Event): string | undefined {
  const { type, label = '', message, size = 0, seconds = 0, outcome = 'done' } = event;
  // What moves no bytes takes time.
  const amount = size === 0 ? `${seconds.toFixed(1)} s` : humanSize(size);
  switch (type) {
    case 'start':
    case 'output':
      return undefined;
    case 'done':
      return `${label}  ${amount.padStart(6)}  ${outcome}`;
    case 'failed':
      return `${label}  failed`;
    case 'note':
      return message;
    case 'warning':
      return `warning: ${message}`;
  }
}

/** How often the terminal is drawn again at most, in milliseconds. */
const FRAME = 100;
const BAR = 24;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

/** A line for each blob under way below the finished ones; drawn again as bytes go by, without a timer. */
class TerminalView implements View {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  readonly #running = new Set<TaskState>();
  #drawn = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(stream: ProgressStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  event(event: Event, task?: TaskState): void {
    if (task !== undefined && event.type === 'start') this.#running.add(task);
    else if (task !== undefined && event.type !== 'output') this.#running.delete(task);
    if (event.type === 'output') this.advanced();
    else this.#draw(lineOf(event));
  }

  advanced(): void {
    if (this.#now() - this.#last >= FRAME) this.#draw();
  }

  close(): void {
    this.#running.clear();
    this.#draw();
  }

  #draw(finished?: string): void {
    this.#last = this.#now();
    const width = Math.max((this.#stream.columns ?? 80) - 1, 20);
    const lines = [...this.#running]
      .flatMap((task) => this.#linesOf(task))
      .map((line) => line.slice(0, width));
    const erase = this.#drawn > 0 ? `\u001b[${this.#drawn}A\u001b[J` : '';
    const above = finished === undefined ? '' : `${finished}\n`;
    const cursor = lines.length > 0 ? HIDE_CURSOR : this.#drawn > 0 ? SHOW_CURSOR : '';
    const text = `${erase}${above}${lines.map((line) => `${line}\n`).join('')}${cursor}`;
    this.#drawn = lines.length;
    if (text !== '') this.#stream.write(text);
  }

  #linesOf(task: TaskState): readonly string[] {
    if (task.lines === undefined) return [this.#bar(task)];
    const seconds = ((this.#now() - task.started) / 1000).toFixed(1);
    return [`${task.label}  ${seconds} s`, ...task.lines.map((line) => `  ${line}`)];
  }

  #bar({ label, total, started, done }: TaskState): string {
    const seconds = (this.#now() - started) / 1000;
    const rate = seconds > 0.2 ? `${humanSize(Math.round(done / seconds))}/s` : '';
    if (total === undefined || total === 0)
      return done === 0 ? `${label}  …` : `${label}  ${humanSize(done)}  ${rate}`;
    const share = Math.min(done / total, 1);
    const filled = Math.round(share * BAR);
    const bar = `${'='.repeat(filled)}${' '.repeat(BAR - filled)}`;
    return `${label}  [${bar}]  ${humanSize(done)} of ${humanSize(total)}  ${rate}`;
  }
}
