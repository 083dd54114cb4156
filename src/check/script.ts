import { posix } from 'node:path';
import type { Shebang } from '../elf/shebang.ts';
import type { Tree } from '../rootfs/tree.ts';
import type { Finding } from './finding.ts';
import type { Surroundings } from './linkage.ts';

/** What engines set where an image says nothing. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Says whether what starts a script is there, through `env` too. */
export function checkScript(
  path: string,
  { interpreter, argument }: Shebang,
  { tree, base, env }: Surroundings,
): readonly Finding[] {
  if (`${interpreter}${argument}`.endsWith('\r')) {
    return [
      {
        rule: 'script-line-ends',
        level: 'error',
        message: `${path} has line ends of Windows, which make "\\r" a part of its interpreter's name: it would die with "no such file or directory"`,
        remedy: 'store it with line ends of Unix (dos2unix; in git: *.sh text eol=lf)',
      },
    ];
  }
  if (!isFile(tree, interpreter)) return [missing(path, interpreter, base)];
  if (posix.basename(interpreter) !== 'env') return [];
  const command = commandOfEnv(argument);
  if (command === undefined) return [];
  const [, folders = DEFAULT_PATH] = env.map((each) => /^PATH=(.*)$/s.exec(each)).find(Boolean) ?? [];
  const places = command.includes('/')
    ? [command]
    : folders.split(':').map((folder) => posix.join(folder, command));
  if (places.some((place) => isFile(tree, place))) return [];
  return [missing(path, `${command} (which ${interpreter} looks for in ${folders})`, base)];
}

/** What `env` starts: after its `-S`, and settings of variables. */
function commandOfEnv(argument: string): string | undefined {
  const words = argument.split(/[ \t]+/).filter((word) => word !== '');
  if (words[0] === '-S') words.shift();
  // Its other options are not looked into.
  const first = words.find((word) => !word.includes('='));
  return first?.startsWith('-') ? undefined : first;
}

function isFile(tree: Tree, path: string): boolean {
  return tree.lookup(path)?.type === 'file';
}

function missing(path: string, interpreter: string, base: string): Finding {
  return {
    rule: 'script-interpreter-missing',
    level: 'error',
    message: `${path} is a script for ${interpreter} but ${base} does not have that`,
    remedy: 'choose a base that has it, or pack a compiled program',
  };
}
