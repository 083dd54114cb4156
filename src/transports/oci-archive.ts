import { type Descriptor, decodeIndex } from '#oci-spec-types';
import { type BlobSource, loadArtifact } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import { Archive } from './archive.ts';
import { archivePath } from './archive-writer.ts';
import type { Context } from './context.ts';
import { chooseNamed, nameOf } from './names.ts';

/** An archive that is a layout in a tar. */
function archiveSource(archive: Archive): BlobSource {
  return {
    name: archive.name,
    open: async (descriptor, options) =>
      archive.readVerified(archivePath(descriptor.digest), descriptor, options?.signal),
  };
}

/** A layout's tar as content, and the entries of its index.json. @throws OCISLIM_ARCHIVE_INVALID for another tar */
export async function openOciArchive(
  path: string,
  context: Context,
): Promise<{ readonly source: BlobSource; readonly manifests: readonly Descriptor[] }> {
  const archive = await Archive.open(path, `oci-archive:${path}`, context);
  const raw = await archive.readDocument('index.json', context.signal);
  return {
    source: archiveSource(archive),
    manifests: decodeIndex(raw, `${archive.name}: index.json`).manifests,
  };
}

/** The image that `name` means in a layout's tar, and its full name where it has one. */
export async function readOciArchive(
  archive: Archive,
  name: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly artifact: Artifact; readonly reference?: string | undefined }> {
  const raw = await archive.readDocument('index.json', signal);
  const { manifests } = decodeIndex(raw, `${archive.name}: index.json`);
  const descriptor = chooseNamed(manifests, name, archive.name);
  const artifact = await loadArtifact(archiveSource(archive), descriptor, { signal });
  return { artifact, reference: nameOf(descriptor) };
}
