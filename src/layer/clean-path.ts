/** A part that leads nowhere, or up. */
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

/** A path as the kernel would walk it from the root, where `..` goes no higher. */
export function cleanPath(path: string): string {
  if (!UNCLEAN.test(path)) return path;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** The folder that a clean path is in; `''` for one in the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

/** `a`, `a/b`, `a/b/c` for the last of these. */
export function pathsTo(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}
