import { type BarRow, bars, shortened, signedSize } from '../ui/bars.ts';
import { sanitise } from '../ui/sanitise.ts';
import { humanSize } from '../ui/size.ts';
import { wasted } from './account.ts';
import { largestFolders } from './folders.ts';
import type { ChangedFile, Difference, ExplainedProgram, Explanation } from './model.ts';

export interface LineOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colour: boolean;
  /** Rows of each part at most. */
  readonly top: number;
}

const BOLD = '\u001b[1m';
const INDENT = '      ';
const PLAIN = '\u001b[22m';

/** Where an image's bytes are, for a terminal. */
export function explanationLines(found: Explanation, options: LineOptions): readonly string[] {
  const { top } = options;
  const visible = found.files.filter(({ hidden }) => hidden === undefined);
  const hidden = found.files.filter((file) => file.hidden !== undefined && file.size > 0);
  const layerName = (at: number) => `layer ${at + 1}`;
  return [
    ...head(found, options),
    ...part(
      'LAYERS, from the base up',
      found.layers.map(({ size, pullSize, createdBy = '' }, at) => ({
        label: `${at + 1}  ${humanSize(pullSize)} to pull`,
        value: size,
        note: createdBy,
      })),
      { ...options, top: Number.POSITIVE_INFINITY },
    ),
    ...part(
      'FOLDERS',
      largestFolders(visible, top).map(({ path, size }) => ({ label: `/${path}`, value: size })),
      options,
    ),
    ...part(
      'FILES',
      visible
        .filter(({ size }) => size > 0)
        .map(({ path, size, layer }) => ({ label: `/${path}`, value: size, note: layerName(layer) })),
      options,
    ),
    ...found.programs
      .filter(({ parts }) => parts.some(({ isPackage }) => isPackage))
      .slice(0, 3)
      .flatMap((program) => inside(program, options)),
    ...part(
      'SHIPPED, BUT HIDDEN',
      hidden.map(({ path, size, layer, hidden: how }) => ({
        label: `/${path}`,
        value: size,
        note: `${layerName(layer)}, ${how?.how} by ${layerName(how?.layer ?? 0)}`,
      })),
      options,
    ),
    ...part(
      'THE SAME CONTENT MORE THAN ONCE',
      found.duplicates.map((each) => ({
        label: `/${each.places[0]?.path}`,
        value: wasted(each),
        note: `${each.places.length} times`,
      })),
      options,
    ),
    ...savings(found, options),
  ];
}

function head({ name, platform, digest, ...sizes }: Explanation, { width }: LineOptions): readonly string[] {
  const hidden = sizes.hiddenSize === 0 ? [] : [`${humanSize(sizes.hiddenSize)} of it hidden`];
  return [
    shortened(sanitise(`${name}  ${platform}`), width),
    shortened(digest, width),
    ...flowed(
      [`${humanSize(sizes.size)} unpacked`, ...hidden, `${humanSize(sizes.pullSize)} to pull`],
      width,
    ),
  ];
}

/** Facts side by side where there is room, else one below the other. */
function flowed(facts: readonly string[], width: number, indent = ''): readonly string[] {
  const line = indent + facts.join(', ');
  return line.length <= width ? [line] : facts.map((fact) => indent + fact);
}

const LANGUAGES = { go: 'Go', rust: 'Rust', other: 'ELF' } as const;

function inside({ path, language, size, parts }: ExplainedProgram, options: LineOptions): readonly string[] {
  const packages = parts.filter(({ isPackage }) => isPackage);
  const shown = packages.slice(0, options.top);
  const rest = packages.slice(options.top);
  const rows: BarRow[] = [
    ...shown.map(({ name, size: value }) => ({ label: name, value })),
    ...(rest.length === 0
      ? []
      : [{ label: `${rest.length} more`, value: sum(rest.map((each) => each.size)) }]),
    ...parts
      .filter(({ isPackage }) => !isPackage)
      .map(({ name, size: value }) => ({ label: `(${name})`, value })),
  ];
  const title = `INSIDE /${path} (${LANGUAGES[language]}, ${humanSize(size)})`;
  return part(title, rows, { ...options, top: rows.length });
}

function savings({ savings: list }: Explanation, { width, colour }: LineOptions): readonly string[] {
  if (list.length === 0) return [];
  const rows = list.map(({ bytes, of, message }) => ({ label: message, value: bytes, note: `(${of})` }));
  return ['', title('WOULD SAVE; these overlap', colour), ...bars(rows, { width, colour })];
}

/** What is not the same in two images, for a terminal. */
export function differenceLines(found: Difference, options: LineOptions): readonly string[] {
  const { from, to, unchanged } = found;
  const { width, colour } = options;
  const side = (word: string, { name, platform, visibleSize, pullSize }: Difference['from']) => [
    word + shortened(sanitise(`${name}  ${platform}`), width - INDENT.length),
    ...flowed([`${humanSize(visibleSize)} unpacked`, `${humanSize(pullSize)} to pull`], width, INDENT),
  ];
  const files = (what: string, list: readonly ChangedFile[]) =>
    part(
      `${what}: ${list.length}, ${signedSize(sum(list.map(({ delta }) => delta)))}`,
      list.map(({ path, delta, what: why }) => ({ label: `/${path}`, value: delta, note: why.join(', ') })),
      { ...options, signed: true },
    );
  const config = found.config.flatMap(({ key, from: before, to: after }) => [
    ...(before === undefined ? [] : [`  - ${key}=${before}`]),
    ...(after === undefined ? [] : [`  + ${key}=${after}`]),
  ]);
  return [
    ...side('from  ', from),
    ...side('to    ', to),
    ...flowed(
      [
        `${signedSize(to.visibleSize - from.visibleSize)} unpacked`,
        `${signedSize(to.pullSize - from.pullSize)} to pull`,
      ],
      width,
    ),
    ...files('ADDED', found.added),
    ...files('REMOVED', found.removed),
    ...files('CHANGED', found.changed),
    ...found.programs.slice(0, 3).flatMap(({ path, parts }) =>
      part(
        `INSIDE /${path}`,
        parts.map(({ name, from: before, to: after }) => ({ label: name, value: after - before })),
        { ...options, signed: true },
      ),
    ),
    ...(config.length === 0
      ? []
      : ['', title('CONFIGURATION', colour), ...config.map((line) => sanitise(line).slice(0, width))]),
    '',
    `${unchanged} files and folders are the same`,
  ];
}

function part(
  name: string,
  rows: readonly BarRow[],
  options: LineOptions & { readonly signed?: boolean },
): readonly string[] {
  if (rows.length === 0) return [];
  const { top, width, colour, signed = false } = options;
  const more = rows.length - top;
  return [
    '',
    shortenedTitle(name, width, colour),
    ...bars(rows.slice(0, top), { width, colour, signed }),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function shortenedTitle(text: string, width: number, colour: boolean): string {
  return title(shortened(sanitise(text), width), colour);
}

function title(text: string, colour: boolean): string {
  return colour ? `${BOLD}${text}${PLAIN}` : text;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
