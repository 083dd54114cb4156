import type { Artifact } from '../image/model.ts';
import { parseReference } from '../registry/reference.ts';
import { type Archive, invalid } from './archive.ts';
import { readDockerArchive } from './docker-archive.ts';
import { readOciArchive } from './oci-archive.ts';

/**
 * Reads an image from a tar of either form. One that is both, as `docker buildx` and ocislim write them, is read as a
 * layout: that way manifest and compressed layers keep their digests.
 * @throws OCISLIM_ARCHIVE_INVALID for a tar that is neither
 */
export async function readImageArchive(
  archive: Archive,
  name: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly artifact: Artifact; readonly reference?: string | undefined }> {
  if (archive.has('oci-layout') && archive.has('index.json')) return readOciArchive(archive, name, signal);
  if (archive.has('manifest.json')) {
    return readDockerArchive(archive, name === undefined ? undefined : parseReference(name), signal);
  }
  throw invalid(archive.name, 'neither an OCI layout nor an archive of docker save');
}
