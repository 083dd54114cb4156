import { posix } from 'node:path';
import type { Shebang } from '../elf/shebang.ts';
import { type Finding, finding } from './finding.ts';
import { pathOf, type Subject } from './subject.ts';

/** Says whether what starts a script is there, through `env` too; and gives the paths of what will be started. */
export function checkShebang(
  path: string,
  { interpreter, argument }: Shebang,
  { tree, base, config }: Pick<Subject, 'tree' | 'base' | 'config'>,
): { readonly findings: readonly Finding[]; readonly starts: readonly string[] } {
  const isFile = (each: string) => tree.lookup(each)?.type === 'file';
  const fails = (what: Finding) => ({ findings: [what], starts: [] });
  if (`${interpreter}${argument}`.endsWith('\r')) {
    return fails(
      finding(
        'script-line-ends',
        `${path} has line ends of Windows, which make "\\r" a part of its interpreter's name: it would die with "no such file or directory"`,
        'store it with line ends of Unix (dos2unix; in git: *.sh text eol=lf)',
      ),
    );
  }
  if (!isFile(interpreter)) return fails(missing(path, interpreter, base));
  const command = posix.basename(interpreter) === 'env' ? commandOfEnv(argument) : undefined;
  if (command === undefined) return { findings: [], starts: [interpreter] };
  const folders = pathOf(config);
  const places = command.includes('/')
    ? [command]
    : folders.split(':').map((folder) => posix.join(folder, command));
  const found = places.find(isFile);
  if (found !== undefined) return { findings: [], starts: [interpreter, found] };
  return fails(missing(path, `${command} (which ${interpreter} looks for in ${folders})`, base));
}

/** What `env` starts: after its `-S`, and settings of variables. */
function commandOfEnv(argument: string): string | undefined {
  const words = argument.split(/[ \t]+/).filter((word) => word !== '');
  if (words[0] === '-S') words.shift();
  // Its other options are not looked into.
  const first = words.find((word) => !word.includes('='));
  return first?.startsWith('-') ? undefined : first;
}

function missing(path: string, interpreter: string, base: string): Finding {
  return finding(
    'script-interpreter-missing',
    `${path} is a script for ${interpreter} but ${base} does not have that`,
    'choose a base that has it, or pack a compiled program',
  );
}
