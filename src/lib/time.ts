import { OcislimError } from './errors.ts';

/** The year 9999 ends here; later times have no RFC 3339 form. */
const LATEST = 253_402_300_799;

/** A moment as images record it. */
export interface CreatedTime {
  /** Whole seconds since the epoch. */
  readonly seconds: number;
  /** RFC 3339. */
  readonly iso: string;
}

/**
 * The time an image is given: `created` (RFC 3339, seconds, or `now`), else `SOURCE_DATE_EPOCH`
 * (reproducible-builds.org/specs/source-date-epoch), else the epoch.
 * @throws OCISLIM_USAGE
 */
export function createdTime(from: {
  readonly created?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): CreatedTime {
  const epoch = from.env['SOURCE_DATE_EPOCH'];
  if (from.created !== undefined) return timeOf(secondsOf(from.created));
  if (epoch === undefined || epoch === '') return timeOf(0);
  if (/^\d{1,12}$/.test(epoch) && Number(epoch) <= LATEST) return timeOf(Number(epoch));
  throw new OcislimError('OCISLIM_USAGE', `SOURCE_DATE_EPOCH=${epoch}: not a number of seconds since 1970`, {
    hint: 'for example SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)',
  });
}

function secondsOf(text: string): number {
  if (text === 'now') return Math.floor(Date.now() / 1000);
  if (/^\d{1,12}$/.test(text) && Number(text) <= LATEST) return Number(text);
  const milliseconds = /^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text.replace(' ', 'T'))
    : Number.NaN;
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds >= 0 && seconds <= LATEST) return seconds;
  throw new OcislimError('OCISLIM_USAGE', `--created ${text}: no time since 1970`, {
    hint: 'for example 2026-01-31T12:00:00Z, a number of seconds, or now',
  });
}

function timeOf(seconds: number): CreatedTime {
  return { seconds, iso: isoTime(seconds) };
}

/** RFC 3339 in UTC without a fraction: `1970-01-01T00:00:00Z`. */
export function isoTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
