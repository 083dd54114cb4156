import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp.ts';

/** An id that no user of any machine is likely to have. */
export const UID = 54_321;

const asUser = ['setpriv', '--reuid', `${UID}`, '--regid', `${UID}`, '--clear-groups'];

/** Kinds of users that sandboxes are tried as; the tests themselves run as root. */
export const USERS = ['root', 'user', 'user with a range of ids', 'user without namespaces'] as const;
export type User = (typeof USERS)[number];

/** The command in front of another that makes it run as such a user. Nothing of the machine is changed for it. */
export function wrapFor(user: User): readonly string[] {
  switch (user) {
    case 'root':
      return [];
    case 'user':
      return asUser;
    case 'user with a range of ids':
      return withFiles({
        '/etc/passwd': `${readFileSync('/etc/passwd', 'utf8')}tester:x:${UID}:${UID}::/tmp:/bin/sh\n`,
        '/etc/subuid': 'tester:300000:65536\n',
        '/etc/subgid': 'tester:300000:65536\n',
      })(asUser);
    case 'user without namespaces': {
      const range = 'root:0:65536\n';
      const map = ['--user', '--map-users=0,0,65536', '--map-groups=0,0,65536'];
      const shut = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"';
      const inside = ['unshare', ...map, 'sh', '-c', shut, 'sh', ...asUser];
      return withFiles({ '/etc/subuid': range, '/etc/subgid': range })(inside);
    }
  }
}

/** In a mount namespace where some files have another content. */
function withFiles(
  contents: Readonly<Record<string, string>>,
): (command: readonly string[]) => readonly string[] {
  const folder = openTempDir();
  const mounts = Object.entries(contents).map(([path, content], at) => {
    const file = join(folder, `${at}`);
    writeFileSync(file, content);
    return `mount --bind ${file} ${path}`;
  });
  const script = `set -e; ${mounts.join('; ')}; exec "$@"`;
  return (command) => [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-c',
    script,
    'sh',
    ...command,
  ];
}

/** A temporary folder that others may use. */
export function openTempDir(): string {
  const folder = tempDir();
  chmodSync(folder, 0o777);
  return folder;
}
