import { crc32, deflateRawSync } from 'node:zlib';

/** A member as it stands in the zip; what a hostile one would lie about can be given. */
export interface ZipMember {
  /** As text it is written as UTF-8, and flagged so. */
  readonly name: string | Buffer;
  readonly content?: string | Uint8Array;
  /** Type and permissions as Unix has them, e.g. 0o100755. */
  readonly mode?: number;
  /** 0 stored, 8 deflated; any other number is only claimed. Default 8. */
  readonly method?: number;
  /** General purpose bits, besides the one for UTF-8. */
  readonly flags?: number;
  readonly crc?: number;
  /** Claimed size of the content. */
  readonly size?: number;
  /** The bytes as compressed, instead of those that belong to the content. */
  readonly packed?: Uint8Array;
  readonly extra?: Buffer;
  /** Takes the place of the member with this index: only the central directory has it. */
  readonly sharesDataOf?: number;
}

const UTF8 = 0x800;

/** Writes a zip (APPNOTE 4.3) without any of the checks that a real tool makes. */
export function zipOf(members: readonly ZipMember[], claim: { readonly count?: number } = {}): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const member of members) {
    const name = Buffer.from(member.name);
    const content = Buffer.from(member.content ?? '');
    const method = member.method ?? 8;
    const packed = Buffer.from(member.packed ?? (method === 8 ? deflateRawSync(content) : content));
    const extra = member.extra ?? Buffer.alloc(0);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version needed
    common.writeUInt16LE((typeof member.name === 'string' ? UTF8 : 0) | (member.flags ?? 0), 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(0x00210000, 6); // 1980-01-01
    common.writeUInt32LE(member.crc ?? crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(member.size ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    common.writeUInt16LE(extra.length, 24);

    offsets.push(member.sharesDataOf === undefined ? offset : (offsets[member.sharesDataOf] ?? 0));
    if (member.sharesDataOf === undefined) {
      const file = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, extra, packed]);
      files.push(file);
      offset += file.length;
    }

    const tail = Buffer.alloc(14); // comment length, disk, internal attributes, then:
    tail.writeUInt32LE(((member.mode ?? 0) << 16) >>> 0, 6);
    tail.writeUInt32LE(offsets.at(-1) ?? 0, 10);
    const madeOnUnix = Buffer.from([20, 3]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), madeOnUnix, common, tail, name, extra]));
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(claim.count ?? members.length, 4);
  end.writeUInt16LE(claim.count ?? members.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...files, central, Buffer.from('PK\x05\x06'), end]);
}

/** A zip with the records of zip64, which can claim any number of members. */
export function zip64Claiming(count: bigint): Buffer {
  const record = Buffer.alloc(56);
  record.write('PK\x06\x06');
  record.writeBigUInt64LE(44n, 4);
  record.writeBigUInt64LE(count, 24);
  record.writeBigUInt64LE(count, 32);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07');
  const end = zipOf([], { count: 0xffff });
  return Buffer.concat([record, locator, end]);
}
