/** Options that several commands share, as commander hands them over. */
export interface GlobalOptions {
  readonly config?: string;
  readonly store?: string;
  readonly mirror?: readonly string[];
  readonly insecure?: readonly string[];
  readonly caFile?: string;
  readonly offline?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly progress?: 'auto' | 'plain' | 'json' | 'none';
}

/** A repeatable option's values, in order. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
