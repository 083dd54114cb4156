/** More paragraphs, and lines of one field, than any database has. */
const PARAGRAPHS = 200_000;

/**
 * Paragraphs of `Name: value` lines with an empty line between them (Debian Policy 5.1); of a value that goes on in further
 * lines the first alone. Names are in lower case. `separator` is `:` in apk's database (apk-v2 installed database).
 */
export function* paragraphs(text: string): Generator<ReadonlyMap<string, string>> {
  let fields = new Map<string, string>();
  let count = 0;
  for (const line of lines(text)) {
    if (line === '') {
      if (fields.size > 0) {
        yield fields;
        if (++count >= PARAGRAPHS) return;
      }
      fields = new Map();
      continue;
    }
    const at = line.indexOf(':');
    if (at < 1 || line.startsWith(' ') || line.startsWith('\t')) continue;
    const name = line.slice(0, at);
    if (!fields.has(name)) fields.set(name, line.slice(at + 1).trim());
  }
  if (fields.size > 0) yield fields;
}

/** Lines without their ends; no more of a text is taken apart at once. */
function* lines(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const line = text.slice(at, end < 0 ? text.length : end);
    yield line.endsWith('\r') ? line.slice(0, -1) : line;
    at = end < 0 ? text.length : end + 1;
  }
}
