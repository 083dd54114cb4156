/** What the first line of a script says (execve(2)). */
export interface Shebang {
  /** Absolute, as written. */
  readonly interpreter: string;
  /** All that follows, as the one argument that Linux makes of it. */
  readonly argument: string;
}

/** Linux reads no more of the first line. */
const LINE_LIMIT = 255;

/** Reads `#!INTERPRETER [ARGUMENT]` from the beginning of a file; undefined where it is not there. */
export function parseShebang(bytes: Buffer): Shebang | undefined {
  const [line = ''] = bytes.toString('latin1', 0, LINE_LIMIT).split('\n');
  const [, interpreter, argument = ''] = /^#![ \t]*(\/[^ \t]*)[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
  return interpreter === undefined ? undefined : { interpreter, argument };
}
