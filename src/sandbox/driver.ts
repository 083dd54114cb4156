import type { Order, Room } from './room.ts';

/** What is to be executed on the host so that a command runs in a room. */
export interface Invocation {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Arguments that the driver reads from descriptor 3, where process lists do not show them. */
  readonly hiddenArgs?: readonly string[] | undefined;
  /**
   * Whether the driver, the only child of what is executed, tells on descriptor 4 once it has started the command as its
   * own only child, and keeps 5 open while anything in the room lives.
   */
  readonly tellsProcess?: boolean;
  /** Whether it traces all that the command starts (ptrace(2)), rather than to keep it in a namespace. */
  readonly traces?: boolean;
  readonly left: Left;
  /** Takes away what was made for it beside its folder. */
  readonly dispose?: () => Promise<void>;
}

/** Where a command's changes are once it has ended, for as long as the run's folder is there. */
export interface Left {
  /** The upper folder of an overlay, or all of the root. */
  readonly folder: string;
  /** What was made in it for mounts, relative to it, folders before what is in them. */
  readonly stubs: readonly string[];
}

/** What files are like that a driver's commands write. */
export interface Files {
  /** Whether a command's changes are apart from the root, in the form of overlayfs, or are made to a copy of it. */
  readonly method: 'overlay' | 'copy';
  /** Whose ids they have: the machine's; those of a range that a namespace maps; or all this user's. */
  readonly ids: 'root' | 'range' | 'one';
  /** What stands before a command that has to see their owners as commands in the sandbox do. */
  readonly entering: readonly string[];
}

/** A way to run commands in a root file system without a daemon. */
export interface Driver {
  readonly name: string;
  /** What people read of it, e.g. `bubblewrap, with overlay`. */
  readonly title: string;
  /** Whether it can keep a command off the network. */
  readonly isolatesNetwork: boolean;
  readonly files: Files;
  /** @param folder an empty folder for this run, of this user alone; the caller removes it */
  prepare(room: Room, order: Order, folder: string): Promise<Invocation>;
}
