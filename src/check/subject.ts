import type { ContainerConfig, Platform } from '#oci-spec-types';
import type { Node, Tree } from '../rootfs/tree.ts';

/** Where files are looked up: an image's merged tree, or the host's own. */
export interface FileView {
  lookup(path: string): Node | undefined | Promise<Node | undefined>;
  /** The names in a folder, sorted; none where there is no folder. */
  list(path: string): readonly string[] | Promise<readonly string[]>;
}

/** An image to be judged: what a container of it would see, and how it would start. */
export interface Subject {
  /** The merged file tree of all its layers. */
  readonly tree: Tree;
  readonly config: ContainerConfig;
  readonly platform: Platform;
  /** How messages name what the program was put on, or the image itself. */
  readonly base: string;
  /** Real paths of the files that were added to the base; undefined where all files are of interest. */
  readonly added?: readonly string[] | undefined;
  /** A jar that the command starts. */
  readonly jar?: Jar | undefined;
}

export interface Jar {
  /** In the image; the folder of one that was unpacked. */
  readonly path: string;
  /** The Java release its classes were compiled for, e.g. 17; undefined where it has none. */
  readonly release: number | undefined;
}

/** The value of a variable; of several the last counts. */
export function variable({ Env }: ContainerConfig, name: string): string | undefined {
  return Env?.findLast((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** What engines set where an image says nothing. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The folders in which a command without a slash is looked for. */
export function pathOf(config: ContainerConfig): string {
  return variable(config, 'PATH') ?? DEFAULT_PATH;
}
