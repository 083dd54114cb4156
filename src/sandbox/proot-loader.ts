import { access, constants, readFile } from 'node:fs/promises';
import { readElfHeader } from '../elf/header.ts';

const ELF_64 = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);

/**
 * The program by which proot starts others. It carries it inside, and before version 5.2 writes it to `/tmp` and nowhere
 * else; where it cannot, the program has to be given to it (`PROOT_LOADER`).
 * @returns undefined where it need not or cannot be done
 */
export async function loaderOf(proot: string): Promise<Buffer | undefined> {
  const isWritable = await access('/tmp', constants.W_OK).then(
    () => true,
    () => false,
  );
  if (isWritable) return undefined;
  const whole = await readFile(proot);
  const at = whole.indexOf(ELF_64, 1);
  if (at < 0) return undefined;
  const inner = whole.subarray(at);
  const header = await readElfHeader(async (offset, length) => inner.subarray(offset, offset + length));
  if (header === undefined) return undefined;
  // A file ends with its table of sections (ELF gABI, chapter 4).
  const [offset, size, count] = [inner.readBigUInt64LE(40), inner.readUInt16LE(58), inner.readUInt16LE(60)];
  const end = Number(offset) + size * count;
  return end > 64 && end <= inner.length ? inner.subarray(0, end) : undefined;
}
