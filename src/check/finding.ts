/** Rules whose findings keep a program from starting, or worse. */
const ERRORS = [
  'command-missing',
  'entrypoint-missing',
  'not-executable',
  'format-unknown',
  'platform-mismatch',
  'interpreter-missing',
  'library-missing',
  'symbol-version-missing',
  'script-interpreter-missing',
  'script-line-ends',
  'user-unknown',
  'java-version',
  'secret',
] as const;
/** Rules whose findings make it fail later, or are better known. */
const WARNINGS = [
  'workdir-missing',
  'certificates-missing',
  'time-zones-missing',
  'name-service-missing',
  'tmp-missing',
  'loads-at-run-time',
  'privileged-port',
  'debug-data',
  'setuid',
  'world-writable',
] as const;

/** Every rule, by its stable id. */
export const RULES = [...ERRORS, ...WARNINGS] as const;
/** `library-missing`, `secret`…: those of the tables in docs/cli.md. */
export type RuleId = (typeof RULES)[number];

/** What a rule has found: what is wrong, and what to do about it. */
export interface Finding {
  readonly rule: RuleId;
  readonly level: 'error' | 'warn';
  readonly message: string;
  readonly remedy?: string | undefined;
}

/** A finding of the level that its rule usually has. */
export function finding(rule: RuleId, message: string, remedy?: string): Finding {
  return { rule, level: (ERRORS as readonly RuleId[]).includes(rule) ? 'error' : 'warn', message, remedy };
}

/** What is wrong with several platforms' images is said once. */
export function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((each) => [`${each.rule} ${each.message}`, each])).values()];
}
