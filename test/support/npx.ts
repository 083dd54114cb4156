import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './cli.ts';
import { openTempDir } from './users.ts';

/** The version that integrations name; npm has no other under test. */
export const VERSION: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/**
 * A folder for the front of PATH with an `npx` that takes `--yes ocislim@VERSION` and runs the built ocislim in place of a download.
 * @param program where `ocislim.js` is for whoever runs it
 */
export function npxFolder(program: string): string {
  const folder = openTempDir();
  const script = [
    '#!/bin/sh',
    `[ "$1 $2" = "--yes ocislim@${VERSION}" ] || { echo "npx $*: not what is published" >&2; exit 64; }`,
    'shift 2',
    `exec node ${program} "$@"`,
  ];
  writeFileSync(join(folder, 'npx'), `${script.join('\n')}\n`);
  chmodSync(join(folder, 'npx'), 0o755);
  return folder;
}
