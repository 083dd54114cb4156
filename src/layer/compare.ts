import { createHash } from 'node:crypto';
import type { Layer, OpenOptions } from '../image/model.ts';
import { measuredTar } from './measured-tar.ts';
import { readTar, type TarMember } from './tar-reader.ts';

/** Bytes whose digests are kept of each file, so that two files are compared without either being held. */
const BLOCK = 256 * 1024;

interface Listed {
  readonly member: TarMember;
  /** Digests of its content, block by block. */
  readonly blocks: readonly string[];
}

/**
 * Where two layers first differ, in words: the member, and of its content the byte. Compression is not looked at.
 * @returns undefined where all members are the same
 * @throws OCISLIM_ARCHIVE_INVALID, and what opening the layers throws
 */
export async function layerDifference(
  one: Layer,
  other: Layer,
  options: OpenOptions = {},
): Promise<string | undefined> {
  const [ours, theirs] = [await listOf(one, options), await listOf(other, options)];
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const [a, b] = [ours[at], theirs[at]];
    if (a === undefined || b === undefined) return onlyIn(a, b);
    if (a.member.path !== b.member.path) return onlyIn(...missing(ours, theirs, at));
    const { path } = a.member;
    const field = FIELDS.find((key) => shown(a.member[key]) !== shown(b.member[key]));
    if (field !== undefined && field !== 'size')
      return `${path}: its ${field} is ${shown(a.member[field])}, built again ${shown(b.member[field])}`;
    const block = a.blocks.findIndex((digest, index) => digest !== b.blocks[index]);
    const differs = block >= 0 || a.blocks.length !== b.blocks.length;
    if (differs) {
      const index = block >= 0 ? block : a.blocks.length;
      const bytes = [
        await blockOf(one, at, index, options),
        await blockOf(other, at, index, options),
      ] as const;
      return `${path}: ${byteDifference(...bytes, index * BLOCK)}`;
    }
  }
  return undefined;
}

/** Of a member, without its place in the tar. */
const FIELDS = ['type', 'mode', 'uid', 'gid', 'mtime', 'linkname', 'device', 'xattrs', 'size'] as const;

function shown(value: unknown): string {
  if (value instanceof Map) return JSON.stringify([...value].map(([name, bytes]) => [name, String(bytes)]));
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Which of the two lists lacks what the other has at a place. */
function missing(
  ours: readonly Listed[],
  theirs: readonly Listed[],
  at: number,
): readonly [Listed | undefined, Listed | undefined] {
  const has = (list: readonly Listed[], path = '') =>
    list.slice(at).some(({ member }) => member.path === path);
  const [a, b] = [ours[at], theirs[at]];
  return has(theirs, a?.member.path) && !has(ours, b?.member.path) ? [undefined, b] : [a, undefined];
}

function onlyIn(a: Listed | undefined, b: Listed | undefined): string {
  return a === undefined
    ? `${b?.member.path}: is there only when it is built again`
    : `${a.member.path}: is not at the same place, or not there, when it is built again`;
}

function byteDifference(a: Buffer, b: Buffer, start: number): string {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at++;
  if (at === length) return `ends at byte ${start + at} in one of them alone`;
  const hex = (byte = 0) => `0x${byte.toString(16).padStart(2, '0')}`;
  return `byte ${start + at} is ${hex(a[at])}, built again ${hex(b[at])}`;
}

async function listOf(layer: Layer, options: OpenOptions): Promise<readonly Listed[]> {
  const list: Listed[] = [];
  await visit(layer, options, async (member, content) => {
    const blocks: string[] = [];
    for await (const block of inBlocks(content))
      blocks.push(createHash('sha256').update(block).digest('base64'));
    list.push({ member, blocks });
  });
  return list;
}

/** One block of the content of the member at a place; empty where it has ended before. */
async function blockOf(layer: Layer, place: number, index: number, options: OpenOptions): Promise<Buffer> {
  let [member, found] = [-1, Buffer.alloc(0)];
  await visit(layer, options, async (_, content) => {
    if (++member !== place) return;
    let at = 0;
    for await (const block of inBlocks(content)) if (at++ === index) found = block;
  });
  return found;
}

async function visit(
  layer: Layer,
  options: OpenOptions,
  each: (member: TarMember, content: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const { digest, mediaType } = layer.descriptor;
  const { tar } = measuredTar(await layer.open(options), mediaType);
  await readTar(tar, each, { ...options, what: `layer ${digest}` });
}

async function* inBlocks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer<ArrayBuffer>> {
  const block = Buffer.alloc(BLOCK);
  let filled = 0;
  for await (const chunk of content)
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, BLOCK - filled);
      block.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < BLOCK) continue;
      yield Buffer.from(block);
      filled = 0;
    }
  if (filled > 0) yield Buffer.from(block.subarray(0, filled));
}
