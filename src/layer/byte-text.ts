import { isUtf8 } from 'node:buffer';

/**
 * Names in a tar are bytes. As text they are UTF-8; a byte that is not becomes a lone surrogate from U+DC80 to U+DCFF, as
 * in Python (PEP 383), so that no two names become one and each can be written as it was.
 * @param raw one character a byte, as `latin1` gives it
 */
export function textOfBytes(raw: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
  if (/^[\x00-\x7f]*$/.test(raw)) return raw;
  const bytes = Buffer.from(raw, 'latin1');
  if (isUtf8(bytes)) return bytes.toString();
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes.subarray(at, at + 4));
    text +=
      length === 0 ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return text;
}

/** How many bytes the character at the beginning takes; 0 for what is none. */
function sequenceLength(bytes: Buffer): number {
  for (let length = 1; length <= bytes.length; length++) if (isUtf8(bytes.subarray(0, length))) return length;
  return 0;
}

/** With `u`, the halves of a pair are no match. */
const ESCAPED = /([\udc80-\udcff])/u;

/** A path as the system takes it: the text itself, or the bytes of one that is not UTF-8. */
export function systemPath(text: string): string | Buffer {
  if (!ESCAPED.test(text)) return text;
  const bytes = text
    .split(ESCAPED)
    .map((part, at) => (at % 2 === 0 ? Buffer.from(part) : Buffer.from([part.charCodeAt(0) - 0xdc00])));
  return Buffer.concat(bytes);
}
