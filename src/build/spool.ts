import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { systemPath } from '../layer/byte-text.ts';
import { readTar, type TarMember } from '../layer/tar-reader.ts';
import { explainWriteError } from '../lib/atomic-file.ts';
import { OcislimError, systemCode } from '../lib/errors.ts';
import type { OpenContent } from './changes.ts';

/** What is archived of a folder. */
export interface Selection {
  readonly folder: string;
  /** What stands before a command that is to see owners as the sandbox does. */
  readonly entering: readonly string[];
  /** Paths, without what is in them; undefined: everything. */
  readonly paths?: readonly string[] | undefined;
  /** Places for mounts, which are taken away before where nothing was put into them. */
  readonly stubs?: readonly string[] | undefined;
}

/** Members of a tar on the disk, whose contents are read from there. */
export interface Spooled {
  readonly members: readonly TarMember[];
  readonly open: OpenContent;
}

/**
 * Takes stubs away, the innermost first, then becomes the program of the arguments after `--`. Commands can have moved the
 * parents of stubs away, and left links that lead to folders of the host.
 */
const SCRIPT = `
cd "$1" || exit 1
shift
clean() {
  rest=$1 at=
  while :; do
    case $rest in */*) at=$at\${rest%%/*} rest=\${rest#*/} ;; *) break ;; esac
    if [ -L "$at" ] || ! [ -d "$at" ]; then return; fi
    at=$at/
  done
  if [ -L "$1" ]; then return
  elif [ -d "$1" ]; then rmdir -- "$1" 2>/dev/null
  elif [ -f "$1" ] && ! [ -s "$1" ]; then rm -f -- "$1"
  fi
}
while [ "$1" != -- ]; do clean "$1"; shift; done
shift
exec "$@"
`;

/** GNU tar knows hard links, attributes and devices; what is a socket it leaves out. */
const TAR = [
  ...['tar', '--create', '--file=-', '--format=pax', '--pax-option=delete=atime,delete=ctime'],
  ...['--numeric-owner', '--xattrs', '--xattrs-include=*'],
];

/**
 * Archives what is in a folder to a file.
 * @param file not there yet
 * @throws OCISLIM_SANDBOX_FAILED where there is no GNU tar, or it fails
 */
export async function spool(selection: Selection, file: string, signal: AbortSignal): Promise<Spooled> {
  await archive(selection, file, signal);
  const members: TarMember[] = [];
  const visit = (member: TarMember) => void members.push(member);
  await readTar(createReadStream(file, { highWaterMark: 256 * 1024 }), visit, { signal, what: 'changes' });
  const openAt: OpenContent = ({ offset, size }) => {
    return async () => createReadStream(file, { start: offset, end: offset + size - 1 });
  };
  return { members, open: openAt };
}

async function archive(
  { folder, entering, paths, stubs = [] }: Selection,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const what = paths === undefined ? ['.'] : ['--no-recursion', '--null', '--no-unquote', '--files-from=-'];
  const inner = [
    'sh',
    '-c',
    SCRIPT,
    'sh',
    folder,
    ...stubs.map((path) => `./${path}`).toReversed(),
    '--',
    ...TAR,
    ...what,
  ];
  const [command = '', ...args] = [...entering, ...inner];
  const output = await open(file, 'wx', 0o600);
  try {
    const messages: Buffer[] = [];
    const code = await new Promise<number | null>((resolve, reject) => {
      const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' };
      const child = spawn(command, args, {
        env,
        signal,
        killSignal: 'SIGKILL',
        stdio: ['pipe', output.fd, 'pipe'],
      });
      child.stderr?.on('data', (chunk: Buffer) => messages.push(chunk));
      child.once('error', reject);
      child.once('close', resolve);
      child.stdin?.on('error', () => {});
      const list = (paths ?? []).flatMap((path) => [Buffer.from(systemPath(`./${path}`)), Buffer.from([0])]);
      child.stdin?.end(Buffer.concat(list));
    });
    signal.throwIfAborted();
    if (code !== 0) throw failed(Buffer.concat(messages).toString().trim());
  } catch (error) {
    signal.throwIfAborted();
    throw systemCode(error) === 'ENOENT'
      ? failed(`${command} is not installed`)
      : explainWriteError(error, file);
  } finally {
    await output.close();
  }
}

function failed(why: string): OcislimError {
  if (/No space left|quota exceeded/.test(why))
    return new OcislimError('OCISLIM_DISK_FULL', `what the command changed: ${why}`);
  return new OcislimError('OCISLIM_SANDBOX_FAILED', `what the command changed cannot be read: ${why}`, {
    hint: 'GNU tar is needed for it',
  });
}
