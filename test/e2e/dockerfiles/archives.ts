import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { directory, END, header, member, pax, symbolic } from '../../support/tars.ts';

/** Archives for ADD. */

export const TAR = Buffer.concat([
  directory('made/', { mode: 0o750, uid: 21, gid: 22 }),
  member('made/file', 'in an archive\n', { mode: 0o640, uid: 21, gid: 22 }),
  member('made/suid', 'suid', { mode: 0o4755 }),
  symbolic('made/link', 'file'),
  header('made/hard', { type: '1', linkname: 'made/file', mode: 0o640, uid: 21, gid: 22 }),
  member('implied/parent', 'p', { uid: 3 }),
  END,
]);

/** `cap_net_bind_service=ep`, as the kernel keeps it. */
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

export const TAR_WITH_CAPABILITY = Buffer.concat([
  pax({ 'SCHILY.xattr.security.capability': CAPABILITY }),
  member('server', '#!/bin/sh\n', { mode: 0o755 }),
  END,
]);

export const CLIMBING_TAR = Buffer.concat([
  member('../../../climbed', 'c'),
  member('/from-root', 'r'),
  symbolic('way-out', '../../../../etc'),
  END,
]);

export const gzipped = gzipSync(TAR);
const through = (command: string) => execFileSync(command, ['-c'], { input: TAR });
export const bzipped = () => through('bzip2');
export const xzipped = () => through('xz');
export const zstandard = () => through('zstd');
