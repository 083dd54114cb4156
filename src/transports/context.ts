import type { Digest } from '#oci-spec-types';
import type { Progress } from '../lib/progress.ts';
import type { Registry } from '../registry/registry.ts';
import type { Store } from '../store/store.ts';

/** What use cases and transports work with; a command line or a program that uses the library makes one. */
export interface Context {
  readonly store: Store;
  /** Opened when first needed, since most runs touch no network. */
  registry(): Promise<Registry>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** What relative paths are relative to. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** References of registries mean what they meant when last asked; nothing is sent or fetched. */
  readonly offline: boolean;
  /** What names of images are held to; undefined: to nothing. */
  readonly pinned?: PinnedImages | undefined;
  /** Told of each image that a result is made with. */
  readonly onImage?: ((image: OpenedImage) => void) | undefined;
}

/** An image that a result is made with, as it was named, and what that meant. */
export interface OpenedImage {
  readonly name: string;
  /** Fully qualified; only of one that a registry names. */
  readonly reference?: string | undefined;
  readonly digest: Digest;
}

/** Images that results are made with, and what their names mean here whatever their registries say now. */
export interface PinnedImages {
  /** By fully qualified name, without digest. */
  readonly digests: ReadonlyMap<string, Digest>;
  /** Whether a name of a registry that is not among them is an error. */
  readonly isStrict: boolean;
}
