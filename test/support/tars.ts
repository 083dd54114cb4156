import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { MediaType, sha256 } from '#oci-spec-types';
import type { Layer } from '../../src/image/model.ts';

/** Tars made by hand, so that they can be wrong in one thing at a time. */

export interface HeaderFields {
  readonly type?: string;
  readonly size?: number;
  readonly linkname?: string | Buffer;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly device?: readonly [major: number, minor: number];
}

/** One header block. */
export function header(name: string | Buffer, fields: HeaderFields = {}): Buffer {
  const { type = '0', size = 0, linkname = '', mode = 0o644, uid = 0, gid = 0, mtime = 0 } = fields;
  const [major, minor] = fields.device ?? [0, 0];
  const bytes = Buffer.alloc(512);
  const octal = (value: number, at: number, digits: number) =>
    bytes.write(`${value.toString(8).padStart(digits, '0')}\0`, at);
  Buffer.from(name).copy(bytes, 0, 0, 100);
  octal(mode, 100, 7);
  octal(uid, 108, 7);
  octal(gid, 116, 7);
  octal(size, 124, 11);
  octal(mtime, 136, 11);
  bytes.write(type, 156);
  Buffer.from(linkname).copy(bytes, 157, 0, 100);
  bytes.write('ustar\0', 257);
  bytes.write('00', 263);
  octal(major, 329, 7);
  octal(minor, 337, 7);
  bytes.fill(' ', 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

/** Content, filled up to whole blocks. */
export function block(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A file. */
export function member(name: string | Buffer, content: string | Buffer, fields: HeaderFields = {}): Buffer {
  return Buffer.concat([header(name, { size: Buffer.byteLength(content), ...fields }), block(content)]);
}

/** A PAX header for the next member. */
export function pax(records: Readonly<Record<string, string | Buffer>>, type = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length++;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return member('PaxHeader', Buffer.concat(lines), { type });
}

/** GNU's member before a member, with its long name (`L`) or long link target (`K`). */
export function gnuLong(type: 'L' | 'K', text: string): Buffer {
  return member('././@LongLink', `${text}\0`, { type });
}

export const directory = (name: string, fields: HeaderFields = {}) =>
  header(name, { type: '5', mode: 0o755, ...fields });
export const symbolic = (name: string, linkname: string, fields: HeaderFields = {}) =>
  header(name, { type: '2', linkname, mode: 0o777, ...fields });
export const hard = (name: string, linkname: string) => header(name, { type: '1', linkname });
export const fifo = (name: string, fields: HeaderFields = {}) => header(name, { type: '6', ...fields });
export const device = (name: string, fields: HeaderFields = {}) =>
  header(name, { type: '3', device: [1, 3], ...fields });

/** The end of an archive. */
export const END = Buffer.alloc(1024);

/** A layer of a tar as it is, or of members with an end. */
export function rawLayer(
  parts: readonly Buffer[] | Buffer,
  { gzip = false, ...more }: { readonly gzip?: boolean } & Partial<Layer> = {},
): Layer {
  const tar = Buffer.isBuffer(parts) ? parts : Buffer.concat([...parts, END]);
  const bytes = gzip ? gzipSync(tar) : tar;
  const mediaType = gzip ? MediaType.LayerGzip : MediaType.Layer;
  return {
    descriptor: { mediaType, digest: sha256(bytes), size: bytes.length },
    diffId: sha256(tar),
    open: async () => Readable.from([bytes], { objectMode: false }),
    ...more,
  };
}
