import { Readable } from 'node:stream';
import type { Entry } from '../../src/layer/entry.ts';

const plain = { uid: 0, gid: 0, mtime: 0 } as const;

export function file(path: string, content: string | Buffer, more: Partial<Entry> = {}): Entry {
  const bytes = Buffer.from(content);
  return {
    path,
    type: 'file',
    mode: 0o644,
    ...plain,
    size: bytes.length,
    open: async () => Readable.from([bytes], { objectMode: false }),
    ...more,
  };
}

export function folder(path: string, more: Partial<Entry> = {}): Entry {
  return { path, type: 'directory', mode: 0o755, ...plain, ...more };
}

export function symlink(path: string, linkname: string): Entry {
  return { path, type: 'symlink', mode: 0o777, ...plain, linkname };
}
