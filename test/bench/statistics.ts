/** How values are spread, in their own unit. */
export interface Spread {
  readonly min: number;
  readonly lower: number;
  readonly median: number;
  readonly upper: number;
  readonly max: number;
}

/**
 * Median, quartiles and extremes. Between two values it goes by a straight line, as R's default (type 7) and NumPy's do.
 * @throws RangeError without any value
 */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)] ?? Number.NaN;
    const above = sorted[Math.ceil(place)] ?? Number.NaN;
    return below + (above - below) * (place - Math.floor(place));
  };
  return { min: at(0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1) };
}

/**
 * What is measured of a contender: `time` in milliseconds (the median), `memory` in bytes (the most in any run), `layer`
 * in bytes (what the registry has of it beyond the base), `rate` in milliseconds for each 1,000,000 bytes.
 */
export type Figure = 'time' | 'memory' | 'layer' | 'rate';

/** What is to be reached. */
export interface Bar {
  readonly of: string;
  readonly what: Figure;
  /** The other contender; without one, the figure itself is compared. */
  readonly against?: string;
  /** How the two are compared: by default as the ratio of `of` to `against`. */
  readonly by?: 'ratio' | 'difference';
  readonly atMost: number;
}

export type Figures = Readonly<Record<string, Partial<Readonly<Record<string, number>>>>>;

export interface Verdict {
  readonly bar: Bar;
  /** Absent where one of the two was not measured. */
  readonly value?: number;
  readonly verdict: 'met' | 'missed' | 'not measured';
}

/** Whether a bar is reached by the figures of contenders. */
export function judge(bar: Bar, figures: Figures): Verdict {
  const own = figures[bar.of]?.[bar.what];
  const other = bar.against === undefined ? 0 : figures[bar.against]?.[bar.what];
  if (own === undefined || other === undefined) return { bar, verdict: 'not measured' };
  const isAlone = bar.against === undefined || bar.by === 'difference';
  const value = isAlone ? own - other : own / other;
  return { bar, value, verdict: value <= bar.atMost ? 'met' : 'missed' };
}
