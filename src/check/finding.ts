/** Every rule, by its stable id. */
export type RuleId =
  | 'interpreter-missing'
  | 'library-missing'
  | 'symbol-version-missing'
  | 'script-interpreter-missing'
  | 'script-line-ends';

/** What a rule has found: why a program will not start, and what to do about it. */
export interface Finding {
  readonly rule: RuleId;
  readonly level: 'error' | 'warn';
  readonly message: string;
  readonly remedy?: string | undefined;
}
