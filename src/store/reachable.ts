import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, DOCUMENT_LIMIT, digestAlgorithm, digestHex, isDigest } from '#oci-spec-types';

/**
 * Everything that hangs on some digests: what their documents name, and what those name, down to layers and diffIDs.
 * Reads generously: whatever a document might mean is taken to be in use.
 * @param beside what hangs on a digest besides
 */
export async function reachable(
  store: string,
  roots: Iterable<Digest>,
  beside: ReadonlyMap<Digest, readonly Digest[]> = new Map(),
): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>();
  const left = [...roots];
  for (let digest = left.pop(); digest !== undefined; digest = left.pop()) {
    if (found.has(digest)) continue;
    found.add(digest);
    left.push(...(beside.get(digest) ?? []));
    left.push(...(await namedBy(join(store, 'blobs', digestAlgorithm(digest), digestHex(digest)))));
  }
  return found;
}

async function namedBy(path: string): Promise<readonly Digest[]> {
  try {
    if ((await stat(path)).size > DOCUMENT_LIMIT) return [];
    const bytes = await readFile(path);
    return bytes[0] === 0x7b ? digestsIn(JSON.parse(bytes.toString())) : [];
  } catch {
    // Not there, or no document.
    return [];
  }
}

/** The digests that a manifest, an index or an image config names. */
function digestsIn(document: unknown): readonly Digest[] {
  if (typeof document !== 'object' || document === null) return [];
  const { manifests, layers, config, subject, rootfs } = document as Readonly<Record<string, unknown>>;
  const descriptors = [...listOf(manifests), ...listOf(layers), config, subject];
  const digests = descriptors.map((each) =>
    typeof each === 'object' && each !== null && 'digest' in each ? each.digest : undefined,
  );
  const diffIds =
    typeof rootfs === 'object' && rootfs !== null && 'diff_ids' in rootfs ? listOf(rootfs.diff_ids) : [];
  return [...digests, ...diffIds].filter(isDigest);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
