import type { Readable } from 'node:stream';
import type { Digest } from '#oci-spec-types';
import { factsOf, mayHaveFacts } from './facts.ts';
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
  const members: TocMember[] = [];
  let room = FACTS_LIMIT;
  const visit = async ({ device, ...member }: TarMember, content: AsyncIterable<Uint8Array>) => {
    const facts = room > 0 && mayHaveFacts(member) ? await factsOf(member, content) : undefined;
    room -= facts === undefined ? 0 : JSON.stringify(facts).length;
    members.push(facts === undefined || room < 0 ? member : { ...member, facts });
  };
  const { ended } = await readTar(tar, visit, { signal, what: 'layer' });
  const toc = { tarSize: meter.size, contentSize: contentSize(members), ended, members };
  return { diffId: meter.digest, toc };
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
