import type { ContainerConfig, Digest } from '#oci-spec-types';
import type { Duplicate, Hidden } from './account.ts';
import type { ProgramParts } from './parts.ts';

/** Where an image's bytes are; the object that `--json` prints. All sizes are bytes. */
export interface Explanation {
  readonly name: string;
  readonly platform: string;
  readonly digest: Digest;
  /** What a pull moves: layers as they are stored, and the configuration. */
  readonly pullSize: number;
  /** Of all files that the layers ship. The visible ones and the hidden ones come to this. */
  readonly size: number;
  readonly visibleSize: number;
  readonly hiddenSize: number;
  /** From the base up. */
  readonly layers: readonly ExplainedLayer[];
  /** All that is shipped, the largest first. */
  readonly files: readonly ExplainedFile[];
  /** Programs whose inside could be told. */
  readonly programs: readonly ExplainedProgram[];
  /** Content that is there more than once, the most wasteful first; some of the copies may be hidden, too. */
  readonly duplicates: readonly Duplicate[];
  readonly duplicateSize: number;
  readonly savings: readonly Saving[];
}

export interface ExplainedLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly pullSize: number;
  readonly size: number;
  readonly hiddenSize: number;
  readonly createdBy?: string | undefined;
}

export interface ExplainedFile {
  readonly path: string;
  readonly size: number;
  readonly layer: number;
  readonly type: 'file' | 'symlink';
  readonly hidden?: Hidden | undefined;
}

export interface ExplainedProgram extends ProgramParts {
  readonly path: string;
  readonly layer: number;
  readonly size: number;
}

/** What could be left out or written otherwise. They overlap, and are not to be added up. */
export interface Saving {
  readonly kind: 'hidden' | 'duplicates' | 'strip' | 'compression' | 'base';
  readonly bytes: number;
  /** Whether it is bytes on the disk or bytes of a pull. */
  readonly of: 'unpacked' | 'pull';
  readonly message: string;
}

/** What two images have not in common. */
export interface Difference {
  readonly from: DifferentImage;
  readonly to: DifferentImage;
  readonly added: readonly ChangedFile[];
  readonly removed: readonly ChangedFile[];
  readonly changed: readonly ChangedFile[];
  /** Files that are the same in both. */
  readonly unchanged: number;
  readonly config: readonly ChangedSetting[];
  /** Of programs that are in both under one path, what has become larger or smaller in them. */
  readonly programs: readonly { readonly path: string; readonly parts: readonly ChangedPart[] }[];
}

export interface DifferentImage {
  readonly name: string;
  readonly platform: string;
  readonly digest: Digest;
  readonly pullSize: number;
  readonly visibleSize: number;
}

export interface ChangedFile {
  readonly path: string;
  /** Of the new image's less that of the old one's. */
  readonly delta: number;
  readonly size: number;
  /** What is not as it was: `content`, `type`, `mode`, `owner`, `target`; none for what is new or gone. */
  readonly what: readonly string[];
}

export interface ChangedSetting {
  /** `Env.PATH`, `User`, `Labels.x`. */
  readonly key: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface ChangedPart {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** What a setting of a container's configuration is called, and says. */
export function settingsOf(config: ContainerConfig): ReadonlyMap<string, string> {
  const settings = new Map<string, string>();
  for (const [key, value] of Object.entries(config)) {
    if (value === null || value === undefined || value === '') continue;
    if (key === 'Env' && Array.isArray(value)) {
      for (const each of value as readonly string[]) {
        const at = each.indexOf('=');
        settings.set(`Env.${at < 0 ? each : each.slice(0, at)}`, at < 0 ? '' : each.slice(at + 1));
      }
    } else if (key === 'Labels') {
      for (const [name, text] of Object.entries(value)) settings.set(`Labels.${name}`, String(text));
    } else settings.set(key, typeof value === 'string' ? value : JSON.stringify(value));
  }
  return settings;
}
