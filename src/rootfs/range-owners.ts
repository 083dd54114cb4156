import { spawn } from 'node:child_process';
import { systemPath } from '../layer/byte-text.ts';
import type { Unkept } from './attributes.ts';

/** Four arguments a group: its owner, its mode or `-`, what is printed once it has them, and a file with its paths. */
const SCRIPT = `
cd "$1" || exit 1
shift
while [ $# -gt 0 ]; do
  xargs -0 -a "$4" chown -h -- "$1" && { [ "$2" = - ] || xargs -0 -a "$4" chmod -- "$2"; } && echo "$3"
  shift 4
done 2>/dev/null
`;

/**
 * Gives what this user has unpacked to those ids of their range (subuid(5)) that stand for the image's owners.
 * @param entering what stands before a command that is to run in the range's namespace
 * @param write writes a file for a group, and gives its path
 * @returns what still is not as the image says
 */
export async function giveToRange(
  folder: string,
  unkept: readonly Unkept[],
  entering: readonly string[],
  write: (name: string, content: Buffer) => Promise<string>,
): Promise<readonly Unkept[]> {
  const groups = new Map<string, { readonly args: readonly string[]; readonly members: Unkept[] }>();
  for (const note of unkept) {
    // The root itself has to stay where this user can move it.
    if (note.type === 'device' || note.path === '') continue;
    const { owner, mode } = givenTo(note);
    const key = `${owner} ${mode}`;
    const group = groups.get(key) ?? { args: [owner, mode, key], members: [] };
    group.members.push(note);
    groups.set(key, group);
  }
  const args: string[] = [];
  for (const [key, group] of groups) {
    const list = group.members.flatMap(({ path }) => [
      Buffer.from(systemPath(`./${path}`)),
      Buffer.from([0]),
    ]);
    args.push(...group.args, await write(key.replaceAll(' ', '-'), Buffer.concat(list)));
  }
  if (args.length === 0) return unkept;
  const done = new Set(await linesOf([...entering, 'sh', '-c', SCRIPT, 'sh', folder, ...args]));
  return unkept.filter((note) => {
    const { owner, mode } = givenTo(note);
    return note.path === '' || note.xattrs !== undefined || !done.has(`${owner} ${mode}`);
  });
}

/** Set-uid bits go with a change of owner; links have no mode. */
function givenTo({ uid, gid, mode, type }: Unkept): { readonly owner: string; readonly mode: string } {
  return {
    owner: `${uid}:${gid}`,
    mode: type === 'symlink' ? '-' : mode.toString(8).padStart(4, '0'),
  };
}

/** What a command prints; nothing where it cannot be started. */
function linesOf([file = '', ...args]: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C' };
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.once('error', () => resolve([]));
    child.once('close', () => resolve(Buffer.concat(output).toString().split('\n')));
  });
}
