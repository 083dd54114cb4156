/**
 * The words of `["a", "b"]`; undefined where the text is no JSON array, which makes it shell form; `not-strings` where it
 * is one of other things than strings, which is an error.
 */
export function jsonForm(text: string): string[] | 'not-strings' | undefined {
  if (!text.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.every((word) => typeof word === 'string') ? value : 'not-strings';
}
