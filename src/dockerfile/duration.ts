const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds of a duration as Go writes them, e.g. `1m30s` or `1.5h`; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  const [, sign, rest = ''] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return 0;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0;
  for (const [, number, unit = ''] of rest.matchAll(/([\d.]+)(\D+)/g))
    total += Number(number) * (UNITS[unit] ?? 0);
  const nanoseconds = Math.round(total) * (sign === '-' ? -1 : 1);
  // Go counts them in 63 bits.
  return Math.abs(nanoseconds) < 2 ** 63 ? nanoseconds : undefined;
}
