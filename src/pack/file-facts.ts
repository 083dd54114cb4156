import type { FileHandle } from 'node:fs/promises';
import { recogniseProgram } from '../elf/recognise.ts';
import { BEGINNING, type FileFacts, factsFrom } from '../layer/facts.ts';

/** What a file on disk says of itself; only the parts that say something are read. */
export async function factsOfFile(file: FileHandle): Promise<FileFacts> {
  const read = async (offset: number, length: number) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
  const beginning = await read(0, BEGINNING);
  return factsFrom(recogniseProgram(beginning), beginning, read);
}
