import { decodeIndex } from '#oci-spec-types';
import { type BlobSource, loadArtifact } from '../image/load.ts';
import type { Artifact } from '../image/model.ts';
import type { Archive } from './archive.ts';
import { archivePath } from './archive-writer.ts';
import { chooseNamed, nameOf } from './names.ts';

/** An archive that is a layout in a tar. */
function archiveSource(archive: Archive): BlobSource {
  return {
    name: archive.name,
    open: async (descriptor, options) =>
      archive.readVerified(archivePath(descriptor.digest), descriptor, options?.signal),
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
