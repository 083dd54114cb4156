import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Entry } from '../../layer/entry.ts';
import { OcislimError } from '../../lib/errors.ts';

/** The users of the embedded base; 65532 is the one that a program which needs no root should run as. */
const PASSWD = [
  'root:x:0:0:root:/root:/sbin/nologin',
  'nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin',
  'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin',
];
const GROUP = ['root:x:0:', 'tty:x:5:', 'staff:x:50:', 'nobody:x:65534:', 'nonroot:x:65532:'];
/** Without it, C libraries ask DNS before /etc/hosts. */
const NSSWITCH = ['hosts: files dns'];
const OS_RELEASE = ['NAME="ocislim static"', 'ID=ocislim-static', 'PRETTY_NAME="ocislim static"'];

/** What a static program needs of a system: users, name lookup, certificates, /tmp. The same on every machine. */
export function staticBaseEntries(mtime: number): Entry[] {
  const owner = { uid: 0, gid: 0, mtime };
  const folder = (path: string, mode = 0o755, id = 0): Entry => {
    return { path, type: 'directory', mode, ...owner, uid: id, gid: id };
  };
  const text = (path: string, lines: readonly string[]): Entry => {
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    return {
      path,
      type: 'file',
      mode: 0o644,
      ...owner,
      size: bytes.length,
      open: async () => Readable.from([bytes]),
    };
  };
  return [
    folder('etc'),
    text('etc/group', GROUP),
    text('etc/nsswitch.conf', NSSWITCH),
    text('etc/os-release', OS_RELEASE),
    text('etc/passwd', PASSWD),
    folder('etc/ssl'),
    folder('etc/ssl/certs'),
    certificatesEntry(mtime),
    folder('home'),
    folder('home/nonroot', 0o700, 65532),
    folder('root', 0o700),
    folder('run'),
    folder('tmp', 0o1777),
    folder('usr'),
    folder('usr/local'),
    folder('usr/local/bin'),
    folder('var'),
    folder('var/tmp', 0o1777),
  ];
}

/** The certificates of the authorities that Mozilla trusts, where Debian, Alpine and Go expect them. */
export function certificatesEntry(mtime: number): Entry {
  const path = certificatesPath();
  return {
    path: 'etc/ssl/certs/ca-certificates.crt',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime,
    size: statSync(path).size,
    // Whole: in the standalone executable it is no file of the disk that could be opened.
    open: async () => Readable.from([await readFile(path)]),
  };
}

/** Beside this file in the sources; beside the bundle, or above a chunk of it, in the package; within the executable. */
function certificatesPath(): string {
  const candidates = ['./ca-certificates.crt', '../ca-certificates.crt'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) {
    throw new OcislimError('OCISLIM_INTERNAL', 'the certificates of base static are missing', {
      hint: 'install ocislim again',
    });
  }
  return found;
}
