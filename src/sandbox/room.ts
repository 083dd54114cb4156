/** What a command in a sandbox sees of the world. */
export interface Room {
  /** A root file system on disk. The command may write to it; what it writes is gone afterwards. */
  readonly root: string;
  readonly mounts: readonly Mount[];
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
