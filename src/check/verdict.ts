import { OcislimError } from '../lib/errors.ts';
import type { Progress } from '../lib/progress.ts';
import type { Finding } from './finding.ts';

/** What becomes of findings: errors end the run, are only told, or nothing is looked at. */
export type CheckLevel = 'error' | 'warn' | 'off';

/**
 * Tells what was found.
 * @throws OCISLIM_CHECK_FAILED for an error, unless only warnings were asked for; it carries all findings
 */
export function judge(findings: readonly Finding[], level: CheckLevel, progress: Progress): void {
  const [first, ...others] = findings.filter((finding) => finding.level === 'error');
  if (level === 'error' && first !== undefined) {
    const more =
      others.length === 0
        ? ''
        : ` (and ${others.length} more: ${others.map(({ message }) => message).join('; ')})`;
    throw new OcislimError(
      'OCISLIM_CHECK_FAILED',
      `${first.rule === 'secret' ? 'not packed' : 'will not start'}: ${first.message}${more}`,
      {
        hint: `${first.remedy ?? 'see docs/cli.md'}; --check=warn packs it all the same`,
        check: findings,
      },
    );
  }
  for (const { message, remedy } of findings)
    progress.warn(remedy === undefined ? message : `${message} (${remedy})`);
}
