import { sanitise } from './sanitise.ts';

/** Rows below headers in columns three spaces apart, as docker prints them; no line ends in spaces. */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [headers, ...rows].map((cells) => cells.map(sanitise));
  const widths = headers.map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0)));
  return lines.map((cells) =>
    cells
      .map((cell, at) => cell.padEnd((widths[at] ?? 0) + 3))
      .join('')
      .trimEnd(),
  );
}
