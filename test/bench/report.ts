import type { Measured } from './measure.ts';
import type { Case } from './model.ts';
import { type Bar, judge, type Spread, spread, type Verdict } from './statistics.ts';

export interface Outcome {
  readonly case: Case;
  readonly measured: readonly Measured[];
  readonly verdicts: readonly Verdict[];
}

export function outcomeOf(of: Case, measured: readonly Measured[]): Outcome {
  const figures = Object.fromEntries(measured.map((each) => [each.contender.name, each.figures]));
  return { case: of, measured, verdicts: of.bars.map((bar) => judge(bar, figures)) };
}

/** Whether a bar is missed, or ocislim itself has failed; peers may. */
export function isFailure({ case: { bars }, measured, verdicts }: Outcome): boolean {
  const ours = new Set(bars.map((bar) => bar.of).concat('ocislim', 'standalone'));
  const hasFailed = measured.some((each) => each.failure !== undefined && ours.has(each.contender.name));
  return hasFailed || verdicts.some((each) => each.verdict === 'missed');
}

const ms = (value: number) => (value < 10_000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(1)} s`);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

const HEAD = [
  '',
  'median',
  'quartiles',
  'least',
  'most',
  'runs',
  'ocislim ÷ it',
  'memory',
  'layer',
  'archive',
  'ms/MB',
];

function row({ contender, times, figures }: Measured, own: number | undefined): readonly string[] {
  if (times.length === 0) return [contender.name];
  const { min, lower, median, upper, max }: Spread = spread(times);
  const { memory, layer, archive, rate } = figures;
  return [
    contender.name,
    ms(median),
    `${ms(lower)} – ${ms(upper)}`,
    ms(min),
    ms(max),
    String(times.length),
    own === undefined || contender.name === 'ocislim' ? '' : (own / median).toFixed(2),
    memory === undefined ? '' : megabytes(memory),
    layer === undefined ? '' : megabytes(layer),
    archive === undefined ? '' : megabytes(archive),
    rate === undefined ? '' : rate.toFixed(1),
  ];
}

/** A table's cells, without columns in which nothing is. */
function tableOf({ measured }: Outcome): readonly (readonly string[])[] {
  const own = measured.find((each) => each.contender.name === 'ocislim')?.figures['time'];
  const rows = measured.filter((each) => each.failure === undefined).map((each) => row(each, own));
  const isUsed = HEAD.map((_, column) => column === 0 || rows.some((cells) => (cells[column] ?? '') !== ''));
  return [HEAD, ...rows].map((cells) => cells.filter((_, column) => isUsed[column]));
}

const UNITS = { time: 'time', memory: 'memory', layer: 'layer', rate: 'time for each MB' } as const;

function amount({ what, against, by }: Bar, value: number): string {
  if (against !== undefined && by !== 'difference') return value.toFixed(2);
  return what === 'time' ? ms(value) : what === 'rate' ? `${value.toFixed(1)} ms/MB` : megabytes(value);
}

function sentence({ bar, value, verdict }: Verdict): string {
  const sign = bar.by === 'difference' ? '−' : '÷';
  const what = bar.against === undefined ? bar.of : `${bar.of} ${sign} ${bar.against}`;
  const measured = value === undefined ? '' : `: ${amount(bar, value)}`;
  return `${what}, ${UNITS[bar.what]}${measured}, to reach ≤ ${amount(bar, bar.atMost)}: ${verdict}`;
}

const notes = ({ measured }: Outcome) =>
  measured.map(({ contender, failure }) =>
    failure === undefined
      ? `${contender.name}: ${contender.how}`
      : `${contender.name} failed: ${failure.trim().split('\n').slice(-8).join('\n    ')}`,
  );

/** As a terminal shows it. */
export function asText(outcome: Outcome): string {
  const table = tableOf(outcome);
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const { name, title } = outcome.case;
  const parts = [
    `${name}: ${title.replaceAll('`', '')}`,
    ...table.map((cells) => `  ${line(cells)}`),
    ...notes(outcome).map((note) => `  · ${note.replaceAll('`', '')}`),
    ...outcome.verdicts.map((each) => `  ${sentence(each)}`),
  ];
  return `${parts.join('\n')}\n`;
}

/** As a page of documentation shows it. */
export function asMarkdown(outcomes: readonly Outcome[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return outcomes
    .map((outcome) => {
      const [head = [], ...rows] = tableOf(outcome);
      const rule = head.map((_, column) => (column === 0 ? '---' : '--:'));
      const lists = [...notes(outcome), ...outcome.verdicts.map(sentence)].map((each) => `- ${each}\n`);
      const title = `### ${outcome.case.name}: ${outcome.case.title}\n\n`;
      return `${title}${[head, rule, ...rows].map(line).join('')}\n${lists.join('')}`;
    })
    .join('\n');
}

/** What `--json` writes: every run in milliseconds, memory and layers in bytes. */
export function asDocument(machine: Readonly<Record<string, unknown>>, outcomes: readonly Outcome[]): object {
  return {
    machine,
    cases: outcomes.map(({ case: { name, title }, measured, verdicts }) => ({
      name,
      title,
      contenders: measured.map(({ contender, times, figures, failure }) => ({
        name: contender.name,
        how: contender.how,
        times,
        ...(times.length === 0 ? {} : { spread: spread(times) }),
        figures,
        ...(failure === undefined ? {} : { failure }),
      })),
      bars: verdicts.map(({ bar, value, verdict }) => ({ ...bar, value, verdict })),
    })),
  };
}
