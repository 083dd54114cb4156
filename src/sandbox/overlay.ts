import { spawn } from 'node:child_process';
import { chmod, mkdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { OcislimError } from '../lib/errors.ts';
import { hostEnvironment, quote } from './host-shell.ts';
import { LINK_LIMIT, type Places, type Wanted } from './mount-point.ts';
import { notStarted } from './not-started.ts';
import type { Room } from './room.ts';

/** Folders that may lie over a root: all their names have to fit into the 256 bytes that newer kernels take (fsconfig(2)). */
export const OVER_LIMIT = 60;

/** An overlay that is not mounted yet. */
export interface Overlay {
  /** What the command changes goes in here. */
  readonly upper: string;
  /** Shell commands that mount it. */
  readonly mount: readonly string[];
}

/**
 * Prepares an overlay over a room's root.
 * @param folder of this run, empty
 * @param point where it is to be mounted, in namespaces of which `isMachine` says whether they are the machine's own
 */
export async function makeOverlay(
  { root, over = [] }: Pick<Room, 'root' | 'over'>,
  folder: string,
  point: string,
  isMachine: boolean,
): Promise<Overlay> {
  const lowest = [root, ...over];
  const names = lowest.map((_, at) => at.toString(36));
  const like = await stat(lowest.at(-1) ?? root);
  const upper = join(folder, 'upper');
  await mkdir(upper);
  await chmod(upper, like.mode & 0o7777);
  await mkdir(join(folder, 'work'));
  for (const [at, path] of lowest.entries()) await symlink(path, join(folder, names[at] ?? ''));
  const options = `lowerdir=${names.toReversed().join(':')},upperdir=upper,workdir=work`;
  const mount = (more: string) => `mount -t overlay overlay -o ${options}${more} ${quote(point)}`;
  // Then everything in the upper folder is as it seems, also to other kernels; old ones do not know all of these.
  const plain = mount(',redirect_dir=off,metacopy=off,index=off');
  const attempt = isMachine ? `${plain} 2>/dev/null || ${mount('')}` : mount(',userxattr');
  return { upper, mount: [`cd ${quote(folder)}`, attempt, 'cd /'] };
}

/**
 * What `makePlaces` does, in the mounted overlay: folders that only lower layers have get into the upper one by the kernel
 * then, with all they are, and also those are looked into that belong to other ids of the user's.
 * Arguments: the root, the limit of links, the folder to start in, and a kind and a target for each place.
 */
const PLACES = `
fail() { printf 'E%s\\0' "$target cannot be made in the sandbox: $1"; exit 0; }
umask 022
place() {
  kind=$1 target=$2 rest=$2 trail= links=0
  while :; do
    while :; do
      case $rest in /*) rest=\${rest#/} ;; ./*) rest=\${rest#./} ;; .) rest= ;; *) break ;; esac
    done
    [ -n "$rest" ] || break
    name=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    while :; do
      case $rest in /*) rest=\${rest#/} ;; ./*) rest=\${rest#./} ;; .) rest= ;; *) break ;; esac
    done
    if [ "$name" = .. ]; then trail=\${trail%/*}; continue; fi
    path=$trail/$name
    if [ "$path" = "$dev" ] || [ "$path" = "$proc" ]; then fail "it leads into $path"; fi
    if [ -L "$root$path" ]; then
      links=$((links + 1))
      [ $links -le $limit ] || fail 'links that lead nowhere'
      to=$(readlink -n -- "$root$path"; echo x)
      to=\${to%x}
      case $to in /*) trail= ;; esac
      rest=$to/$rest
      continue
    fi
    want=d
    if [ -z "$rest" ]; then want=$kind; fi
    if [ -d "$root$path" ]; then
      [ $want = d ] || fail "$path is a folder"
    elif [ -e "$root$path" ]; then
      [ $want = f ] || fail "$path is a file"
    else
      if [ $want = d ]; then mkdir -- "$root$path"; else : > "$root$path"; fi
      printf 'M%s\\0' "$path"
    fi
    trail=$path
  done
  printf 'P%s\\0' "\${trail:-/}"
}
root=$1 limit=$2 cwd=$3 dev= proc=
shift 3
place d /dev
made=$trail
place d /proc
proc=$trail dev=$made
while [ $# -gt 0 ]; do
  place "$1" "$2"
  shift 2
done
place d "$cwd"
`;

/**
 * Makes places for mounts in an overlay; afterwards it is not mounted any more.
 * @param entering the namespaces, as arguments of `unshare`
 * @throws OCISLIM_SANDBOX_FAILED as `makePlaces`, and where there can be no overlay
 */
export async function makePlacesIn(
  { mount }: Overlay,
  point: string,
  entering: readonly string[],
  wanted: readonly Wanted[],
  cwd: string,
): Promise<Places> {
  const script = ['set -e', ...mount, PLACES].join('\n');
  const targets = wanted.flatMap(({ kind, target }) => [kind === 'file' ? 'f' : 'd', target]);
  const inner = ['sh', '-c', script, 'sh', point, String(LINK_LIMIT), cwd, ...targets];
  const fields = (await outputOf('unshare', [...entering, ...inner])).split('\0').slice(0, -1);
  const told = (kind: string) => fields.filter((each) => each.startsWith(kind)).map((each) => each.slice(1));
  const [failure] = told('E');
  if (failure !== undefined) throw new OcislimError('OCISLIM_SANDBOX_FAILED', failure);
  const [dev = '/dev', proc = '/proc', ...points] = told('P');
  const stubs = told('M').map((path) => path.slice(1));
  return { dev, proc, points: points.slice(0, -1), cwd: points.at(-1) ?? '/', stubs };
}

function outputOf(file: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: hostEnvironment(), cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    const [output, messages]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => messages.push(chunk));
    const failed = (why: string) => reject(new OcislimError('OCISLIM_SANDBOX_FAILED', `${file}: ${why}`));
    child.once('error', (error) => reject(notStarted(file, error)));
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(output).toString());
      else failed(Buffer.concat(messages).toString().trim().split('\n').at(-1) || `exit code ${code}`);
    });
  });
}
