import {
  type Descriptor,
  type Digest,
  decodeDescriptor,
  digestHex,
  isDigest,
  parseJson,
} from '#oci-spec-types';
import type { Locks } from './locks.ts';
import type { Notes } from './notes.ts';

/** What is kept beside a manifest: its referrers, and what has a tag made of its digest. */
export interface BesideManifest {
  readonly referrers: readonly Descriptor[];
  readonly tagged: readonly { readonly tag: string; readonly descriptor: Descriptor }[];
}

const NOTHING: BesideManifest = { referrers: [], tagged: [] };

/** What is kept beside the manifests of the store, by their digests. */
export class Beside {
  readonly #notes: Notes;
  readonly #locks: Locks;

  constructor(notes: Notes, locks: Locks) {
    this.#notes = notes;
    this.#locks = locks;
  }

  async get(subject: Digest): Promise<BesideManifest> {
    const note = await this.#notes.get(subject);
    return note === undefined ? NOTHING : decode(note);
  }

  /** Adds to what is there; of two with one tag the later one stays. */
  async add(subject: Digest, { referrers, tagged }: BesideManifest): Promise<void> {
    const lock = await this.#locks.acquire(`beside-${digestHex(subject).slice(0, 24)}`);
    try {
      const before = await this.get(subject);
      const all = new Map([...before.referrers, ...referrers].map((each) => [each.digest, plain(each)]));
      const tags = new Map([...before.tagged, ...tagged].map((each) => [each.tag, plain(each.descriptor)]));
      const note = {
        subject,
        referrers: [...all.values()],
        tagged: [...tags].map(([tag, descriptor]) => ({ tag, descriptor })),
      };
      await this.#notes.set(subject, Buffer.from(JSON.stringify(note)));
    } finally {
      await lock?.release();
    }
  }

  /** The digests of what is kept, by those of what it is beside. */
  async all(): Promise<ReadonlyMap<Digest, readonly Digest[]>> {
    const found = new Map<Digest, readonly Digest[]>();
    for (const note of await this.#notes.all()) {
      const { subject } = JSON.parse(note.toString()) as { readonly subject?: unknown };
      if (!isDigest(subject)) continue;
      const { referrers, tagged } = decode(note);
      found.set(
        subject,
        [...referrers, ...tagged.map((each) => each.descriptor)].map(({ digest }) => digest),
      );
    }
    return found;
  }
}

function plain({ mediaType, digest, size, artifactType }: Descriptor): Descriptor {
  return { mediaType, digest, size, artifactType };
}

function decode(note: Uint8Array): BesideManifest {
  const { referrers, tagged } = parseJson(note, 'store: beside') as {
    readonly referrers: readonly unknown[];
    readonly tagged: readonly { readonly tag: string; readonly descriptor: unknown }[];
  };
  return {
    referrers: referrers.map((each) => decodeDescriptor(each, 'store: beside')),
    tagged: tagged.map(({ tag, descriptor }) => ({
      tag,
      descriptor: decodeDescriptor(descriptor, 'store: beside'),
    })),
  };
}
