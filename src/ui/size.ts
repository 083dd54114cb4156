const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Bytes as Docker prints them: base 10, three significant digits: `7.8MB`, `781MB`, `1.24GB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = Number(value.toPrecision(3));
  return `${digits}${UNITS[unit]}`;
}
