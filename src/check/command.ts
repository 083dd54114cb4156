import { posix } from 'node:path';
import { formatPlatform, type Platform, runsOn } from '#oci-spec-types';
import type { ElfFacts } from '../elf/program.ts';
import type { FileFacts } from '../layer/facts.ts';
import type { Node, Tree } from '../rootfs/tree.ts';
import { type Finding, finding } from './finding.ts';
import { checkLinkage } from './linkage.ts';
import { checkShebang } from './script.ts';
import { pathOf, type Subject } from './subject.ts';
import type { Identity } from './user.ts';

/** Scripts that start scripts; Linux follows four. */
const DEPTH_LIMIT = 4;

/** What a container would start: where its command is, or why it is nowhere. */
export function findCommand({ tree, config, base }: Subject): {
  readonly node?: Node | undefined;
  /** As the command names it. */
  readonly path?: string | undefined;
  readonly words: readonly string[];
  readonly findings: readonly Finding[];
} {
  const words = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  const [command] = words;
  if (command === undefined || command === '') {
    const remedy = 'give it one with --entrypoint or --cmd';
    return { words, findings: [finding('command-missing', `${base} says no command to start`, remedy)] };
  }
  if (command.includes('/')) {
    const path = posix.resolve(config.WorkingDir || '/', command);
    const node = tree.lookup(path);
    if (node?.type === 'file') return { node, path, words, findings: [] };
    const what = node?.type === 'directory' ? `is a folder in ${base}` : `is not in ${base}`;
    return { words, findings: [finding('entrypoint-missing', `the command ${path} ${what}`, NOT_THERE)] };
  }
  const folders = pathOf(config);
  for (const folder of folders.split(':')) {
    const path = posix.resolve(config.WorkingDir || '/', folder, command);
    const node = tree.lookup(path);
    if (node?.type === 'file' && (node.mode & 0o111) !== 0) return { node, path, words, findings: [] };
  }
  const message = `the command ${command} is in no folder of PATH in ${base} (looked in ${folders})`;
  return { words, findings: [finding('entrypoint-missing', message, NOT_THERE)] };
}

const NOT_THERE = 'give the full path of a program that is in the image, or choose a base that has it';

/** Says whether the kernel will start a file: rights, format, machine, and what it needs in turn. */
export async function checkFile(
  path: string,
  node: Node,
  subject: Subject,
  identity: Identity | undefined,
  depth = 0,
): Promise<readonly Finding[]> {
  const rights = checkRights(path, node, subject.tree, identity);
  if (rights !== undefined) return [rights];
  const { facts } = node;
  if (facts === undefined || depth > DEPTH_LIMIT) return [];
  if (facts.elf !== undefined) return checkElf(`/${node.path}`, facts.elf, subject);
  if (facts.shebang === undefined) {
    const what = facts.format === undefined ? undefined : FORMATS[facts.format];
    if (what === undefined) return [];
    return [
      finding('format-unknown', `${path} is ${what[0]}: it would die with "exec format error"`, what[1]),
    ];
  }
  const { findings, starts } = checkShebang(path, facts.shebang, subject);
  const next = starts.map(async (each) => {
    const found = subject.tree.lookup(each);
    return found === undefined ? [] : await checkFile(each, found, subject, identity, depth + 1);
  });
  return [...findings, ...(await Promise.all(next)).flat()];
}

/** What is wrong with files that Linux does not start, and what to do about it. */
const FORMATS: Readonly<Record<NonNullable<FileFacts['format']>, readonly [string, string]>> = {
  elf: ['a damaged or unknown ELF program', 'build it again; `file` shows what it is'],
  'mach-o': ['a macOS program', 'build it for Linux; with Go: GOOS=linux go build'],
  pe: ['a Windows program', 'build it for Linux; with Go: GOOS=linux go build'],
  wasm: ['a WebAssembly module', 'a Linux image needs a Linux program'],
  zip: ['a zip, not a program', 'pack it as a .zip or a .jar, or say with --entrypoint what opens it'],
  unknown: [
    'not a program that Linux starts',
    'give an ELF program, a script that begins with #!, or a .zip of files',
  ],
};

async function checkElf(path: string, elf: ElfFacts, subject: Subject): Promise<readonly Finding[]> {
  const mismatch = checkPlatform(path, elf.platform, subject.platform);
  if (mismatch !== undefined) return [mismatch];
  if (elf.isLibrary) {
    const message = `${path} is a shared library, not a program`;
    return [
      finding('format-unknown', message, 'pack the program that uses it, and add the library with --add'),
    ];
  }
  return checkLinkage({ path, ...elf }, { tree: subject.tree, base: subject.base, config: subject.config });
}

/** Whether code for one platform runs on another, as far as the file tells. */
export function checkPlatform(
  path: string,
  own: Platform | undefined,
  wanted: Platform,
): Finding | undefined {
  if (own === undefined) {
    const message = `${path} is a program for a machine that images have no name for`;
    return finding('platform-mismatch', message, 'build it for a platform that images know');
  }
  // 64-bit x86 runs 32-bit code as it is; whether a 64-bit Arm does, is not for an image to say.
  const runs =
    own.architecture === '386' && wanted.architecture === 'amd64' ? own.os === wanted.os : undefined;
  const isOfUnknownVariant = own.architecture === 'arm' && own.variant === undefined;
  if (runs ?? (isOfUnknownVariant ? sameMachine(own, wanted) : runsOn(own, wanted))) return undefined;
  const message = `${path} is a program for ${formatPlatform(own)}, not for ${formatPlatform(wanted)}: it would die with "exec format error"`;
  const isOfNewerVariant = sameMachine(own, wanted);
  return finding(
    'platform-mismatch',
    isOfNewerVariant ? message.replace('"exec format error"', 'an illegal instruction') : message,
    `build it for ${formatPlatform(wanted)}, or leave out --platform; for several platforms give a pattern such as 'hello-{os}-{arch}'`,
  );
}

function sameMachine(a: Platform, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture;
}

/** Whether a user may execute a file, and enter the folders above it (path_resolution(7)). */
function checkRights(
  path: string,
  node: Node,
  tree: Tree,
  identity: Identity | undefined,
): Finding | undefined {
  const remedy = 'make it executable for those who run it: chmod 755, or --add SRC:DST:0755';
  if ((node.mode & 0o111) === 0) {
    const message = `${path} is not executable: it would die with "permission denied"`;
    return finding('not-executable', message, remedy);
  }
  if (identity === undefined || identity.uid === 0) return undefined;
  const parts = node.path.split('/');
  const folders = parts.slice(0, -1).map((_, at) => parts.slice(0, at + 1).join('/'));
  const closed = folders.find((folder) => {
    const there = tree.lookup(folder);
    return there !== undefined && !mayExecute(there, identity);
  });
  if (closed === undefined && mayExecute(node, identity)) return undefined;
  const what = closed === undefined ? `execute ${path}` : `enter /${closed}, where ${path} is`;
  return finding(
    'not-executable',
    `user ${identity.uid} may not ${what}: it would die with "permission denied"`,
    closed === undefined ? remedy : 'put it elsewhere with --dest, or choose another --user',
  );
}

function mayExecute({ mode, uid, gid }: Node, identity: Identity): boolean {
  if (uid === identity.uid) return (mode & 0o100) !== 0;
  return (mode & (identity.gids.has(gid) ? 0o010 : 0o001)) !== 0;
}
