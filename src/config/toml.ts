import { parse, TomlError } from 'smol-toml';
import { OcislimError } from '../lib/errors.ts';

/** @throws OCISLIM_CONFIG_INVALID naming the file, as `shown`, and the line */
export function parseToml(text: string, shown: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.split('\n');
    throw invalid(
      `${shown}: line ${error.line}`,
      first.replace(/^Invalid TOML document: /, ''),
      undefined,
      error,
    );
  }
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

export function invalid(shown: string, why: string, hint?: string, cause?: unknown): OcislimError {
  return new OcislimError('OCISLIM_CONFIG_INVALID', `${shown}: ${why}`, { hint, cause });
}
