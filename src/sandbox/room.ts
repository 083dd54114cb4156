/** What a command in a sandbox sees of the world. */
export interface Room {
  /** A root file system on disk. The command may write to it; what it writes is gone afterwards. */
  readonly root: string;
  /** Folders in the form of overlayfs that lie over the root, the lowest first; only for drivers that have it. */
  readonly over?: readonly string[] | undefined;
  /** Whether the root is this run's alone, so that a driver without overlay writes to it rather than to a copy. */
  readonly isOwnRoot?: boolean | undefined;
  readonly mounts: readonly (Mount | EmptyMount)[];
  /** `none` has a loopback interface alone. */
  readonly network: Network;
  readonly hostname: string;
  readonly limits: Limits;
}

export type Network = 'none' | 'host';

/** A folder or file of the host that the command sees, and may change where it is writable. */
export interface Mount {
  /** Absolute, on the host. */
  readonly source: string;
  /** Absolute, in the sandbox; a link of the image there is followed within its root. */
  readonly target: string;
  readonly isWritable: boolean;
  /** Whose the source becomes, as ids in the sandbox, where the driver can make it so; undefined: it stays as it is. */
  readonly owner?: Pick<Identity, 'uid' | 'gid'> | undefined;
}

/** An empty folder that anybody may write to, and that is gone afterwards. */
export interface EmptyMount {
  readonly kind: 'empty';
  /** As of {@link Mount}. */
  readonly target: string;
  /** In bytes; only where it is a file system of its own. */
  readonly size?: number | undefined;
}

export function isEmptyMount(mount: Mount | EmptyMount): mount is EmptyMount {
  return 'kind' in mount;
}

/** What a command may use; undefined is no limit of ours. */
export interface Limits {
  /** In bytes, of all its processes where control groups can be had, else of each. */
  readonly memory?: number | undefined;
  readonly processes?: number | undefined;
  readonly seconds?: number | undefined;
}

/** A command to run in a room. */
export interface Order {
  /** The program, as a path or looked for in the `PATH` of `env`, and its arguments. */
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; made where it is missing. */
  readonly cwd: string;
  readonly identity: Identity;
  /** Whether it is the first process there, which signals are sent to, rather than the child of one that reaps. */
  readonly isInit?: boolean;
}

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Further groups. */
  readonly gids: readonly number[];
}

export const ROOT: Identity = { uid: 0, gid: 0, gids: [] };
