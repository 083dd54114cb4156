import { sanitise } from './sanitise.ts';
import { humanSize } from './size.ts';

/** A row of a chart. */
export interface BarRow {
  readonly label: string;
  /** Bytes; a negative number is bytes less. */
  readonly value: number;
  /** What stands behind the label, e.g. where it is. */
  readonly note?: string | undefined;
}

export interface BarOptions {
  /** Columns that a line may take. */
  readonly width: number;
  /** What a whole bar stands for; default the largest value. */
  readonly total?: number | undefined;
  readonly colour: boolean;
  /** Whether values are changes, and say so with a sign. */
  readonly signed?: boolean;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;
const BAR = 20;
const CYAN = '\u001b[36m';
const RESET = '\u001b[39m';

/** Rows with size, bar and label, each on one line that is no longer than `width`. */
export function bars(
  rows: readonly BarRow[],
  { width, total, colour, signed = false }: BarOptions,
): readonly string[] {
  const largest = Math.max(1, ...rows.map(({ value }) => Math.abs(value)));
  const whole = Math.max(1, total ?? largest);
  const sizes = rows.map(({ value }) => (signed ? signedSize(value) : humanSize(value)));
  const column = Math.max(6, ...sizes.map(({ length }) => length));
  // On a narrow terminal what it is matters more than the picture of it.
  const bar = width >= 60 ? BAR : width >= 40 ? 8 : 0;
  const room = Math.max(10, width - 2 - column - (bar === 0 ? 0 : bar + 1) - 2);
  return rows.map(({ label, value, note }, at) => {
    const drawn = barOf(Math.min(1, Math.abs(value) / whole), bar).padEnd(bar);
    const shown = bar === 0 ? '' : `${colour ? `${CYAN}${drawn}${RESET}` : drawn} `;
    return `  ${(sizes[at] ?? '').padStart(column)}  ${shown}${labelled(sanitise(label), sanitise(note ?? ''), room)}`.trimEnd();
  });
}

/** `+1.2MB`, `-3kB`. */
export function signedSize(bytes: number): string {
  return bytes < 0 ? `-${humanSize(-bytes)}` : `+${humanSize(bytes)}`;
}

/** The note goes first where there is no room for both. */
function labelled(label: string, note: string, room: number): string {
  const both = note === '' ? label : `${label}  ${note}`;
  return both.length <= room ? both : shortened(label, room);
}

/** The end of a path says more than its beginning. */
export function shortened(text: string, room: number): string {
  return text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
}

function barOf(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  const rest = EIGHTHS[eighths % 8] ?? '';
  const bar = '█'.repeat(Math.floor(eighths / 8)) + rest;
  return bar === '' && share > 0 && width > 0 ? '▏' : bar;
}
