import { invalid, quoted } from './zip.ts';

/** Linux refuses longer names of a file, and longer paths; both in bytes. */
const PART_LIMIT = 255;
const PATH_LIMIT = 4095;

/**
 * Passes a member's name on if it is the one plain way to write a relative path (APPNOTE 4.4.17), with a slash at the
 * end for a folder. Whatever would have to be cleaned up first is refused: after it two names could mean one file.
 * @throws OCISLIM_ARCHIVE_INVALID naming the zip and the member
 */
export function requirePlainName(path: string, name: string): string {
  const wrong = whatIsWrong(name);
  if (wrong !== undefined) throw invalid(path, `${quoted(name)} ${wrong}`);
  return name;
}

function whatIsWrong(name: string): string | undefined {
  const plain = name.replace(/\/$/, '');
  const parts = plain.split('/');
  if (name === '') return 'is an empty name';
  if (/^\/|^[a-z]:/i.test(name) || parts.includes('..')) return 'leads out of the zip';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'has a control character in its name';
  if (name.includes('\\')) return 'has a backslash in its name, where a zip has /';
  if (name.includes('\ufffd')) return 'has a name that is not UTF-8';
  if (parts.includes('') || parts.includes('.')) return 'is not a plain path';
  // In a layer such a file would delete one of the base (image-spec layer.md, whiteouts).
  if (parts.some((part) => part.startsWith('.wh.'))) return 'has a name that layers use for deleted files';
  if (Buffer.byteLength(plain) > PATH_LIMIT || parts.some((part) => Buffer.byteLength(part) > PART_LIMIT))
    return 'has a name that is too long for Linux';
  return undefined;
}
