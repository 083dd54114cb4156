/** Control characters, escape sequences among them, and marks that turn the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** Text from outside, made safe for one line of a terminal: it cannot move the cursor, colour, or forge a line. */
export function sanitise(text: string): string {
  return text.replace(UNSAFE, ' ');
}

/** Colours and movements of the cursor (ECMA-48 § 5.4), which make no sense in a line that stands by itself. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]/g;

/** A line that a program has printed, as a terminal would show it in the end. */
export function plainLine(line: string): string {
  const shown = line.replace(/\r+$/, '');
  return sanitise(shown.slice(shown.lastIndexOf('\r') + 1).replace(SEQUENCES, ''));
}
