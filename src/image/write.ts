import pMap from 'p-map';
import { blobsOf } from './blob.ts';
import type { Artifact, Blob, OpenOptions } from './model.ts';

/** Where an artifact can be written: a layout, the store, a repository. */
export interface Sink {
  /** Takes one blob in; never called twice with one digest. The signal is also given when another blob has failed. */
  blob(blob: Blob, options: OpenOptions): Promise<void>;
  /** Takes a manifest or index in; everything it names was taken before. */
  manifest(artifact: Artifact): Promise<void>;
}

/** Blobs that are under way at once. */
const CONCURRENCY = 4;

/**
 * Writes an artifact with all it consists of: blobs, several at once and each digest once; then manifests; then the
 * indexes above them. So a sink never holds a document that names what it lacks. When one blob fails the others are
 * told to stop, and nothing is under way any more when the failure is reported.
 */
export async function writeArtifact(
  artifact: Artifact,
  sink: Sink,
  { signal }: OpenOptions = {},
): Promise<void> {
  await writeArtifacts([artifact], sink, { signal });
}

/** The same for several: all their blobs, each digest once; then their documents, in the order of the artifacts. */
export async function writeArtifacts(
  artifacts: readonly Artifact[],
  sink: Sink,
  { signal }: OpenOptions = {},
): Promise<void> {
  const documents = new Map<string, Artifact>();
  for (const artifact of artifacts)
    for (const document of await documentsOf(artifact, { signal }))
      documents.set(document.descriptor.digest, document);
  await writeBlobs([...documents.values()], sink, { signal });
  for (const document of documents.values()) await sink.manifest(document);
}

async function writeBlobs(
  documents: readonly Artifact[],
  sink: Sink,
  { signal }: OpenOptions,
): Promise<void> {
  const blobs = new Map<string, Blob>();
  for (const document of documents)
    for (const blob of blobsOf(document)) blobs.set(blob.descriptor.digest, blob);
  const longestFirst = [...blobs.values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
  const failure = new AbortController();
  const either = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const running = new Set<Promise<void>>();
  const take = (blob: Blob) => {
    const work = sink.blob(blob, { signal: either });
    running.add(work);
    return work;
  };
  try {
    await pMap(longestFirst, take, {
      concurrency: CONCURRENCY,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(running);
    throw error;
  }
}

/** An artifact and all artifacts below it, each digest once, members before their index. */
export async function documentsOf(
  artifact: Artifact,
  options: OpenOptions = {},
): Promise<readonly Artifact[]> {
  const documents = new Map<string, Artifact>();
  if (artifact.kind === 'index') {
    for (const descriptor of artifact.index.manifests) {
      for (const document of await documentsOf(await artifact.member(descriptor, options), options))
        documents.set(document.descriptor.digest, document);
    }
  }
  documents.set(artifact.descriptor.digest, artifact);
  return [...documents.values()];
}
