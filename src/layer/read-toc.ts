import type { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import { factsReader, mayHaveFacts } from './facts.ts';
import { measuredTar } from './measured-tar.ts';
import { readTar, type TarMember } from './tar-reader.ts';
import type { Toc, TocMember } from './toc.ts';

/** Characters of facts in JSON; a whole Debian with a desktop comes to some millions. What is beyond is not judged. */
const FACTS_LIMIT = 32 * 1024 * 1024;

/**
 * Reads a compressed layer to its end.
 * @returns its contents, and the digest of the tar, which the image's config must name
 * @throws OCISLIM_ARCHIVE_INVALID | OCISLIM_DOCUMENT_INVALID for a media type that is no tar
 */
export async function readToc(
  stream: Readable,
  mediaType: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<{ readonly diffId: Digest; readonly toc: Toc }> {
  const { tar, meter } = measuredTar(stream, mediaType);
  const collector = tocCollector();
  const { ended } = await readTar(tar, collector.visit, { signal, what: 'layer' });
  return { diffId: meter.digest, toc: collector.toc({ tarSize: meter.size, ended }) };
}

type Use = (content: AsyncIterable<Uint8Array>) => Promise<void> | void;

/** Makes the table of contents of a tar whose members pass by. */
export function tocCollector(): {
  /** @param use does something else with the content: reads all of it, or nothing */
  visit(member: TarMember, content: AsyncIterable<Uint8Array>, use?: Use): Promise<void>;
  /** Once all members have passed. */
  toc(tar: Pick<Toc, 'tarSize' | 'ended'>): Toc;
} {
  const members: TocMember[] = [];
  let room = FACTS_LIMIT;
  return {
    visit: async ({ device, ...member }, content, use = () => {}) => {
      if (room <= 0 || !mayHaveFacts(member)) {
        members.push(member);
        await use(content);
        return;
      }
      const reader = factsReader(member);
      await use(watched(content, reader.take));
      for await (const chunk of content) reader.take(chunk);
      const facts = await reader.facts();
      room -= facts === undefined ? 0 : JSON.stringify(facts).length;
      members.push(facts === undefined || room < 0 ? member : { ...member, facts });
    },
    toc: ({ tarSize, ended }) => ({ tarSize, contentSize: contentSize(members), ended, members }),
  };
}

async function* watched(
  content: AsyncIterable<Uint8Array>,
  take: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    take(chunk);
    yield chunk;
  }
}

function contentSize(members: readonly TocMember[]): number {
  const last = new Map(members.map((member) => [member.path, member]));
  let size = 0;
  for (const member of last.values()) {
    if (member.type === 'file') size += member.size;
    if (member.type === 'symlink') size += Buffer.byteLength(member.linkname ?? '');
  }
  return size;
}
