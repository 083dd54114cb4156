import {
  chmodSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  lutimesSync,
  type PathLike,
} from 'node:fs';
import type { TarMember } from '../layer/tar-reader.ts';
import { systemCode } from '../lib/errors.ts';
import type { Inode } from './inodes.ts';

/** What the image says of a file besides its content. */
export type Attributes = Pick<TarMember, 'uid' | 'gid' | 'mode' | 'mtime' | 'xattrs'>;

/** Something in an unpacked root that is not as the image says, because this user cannot make it so. */
export interface Unkept {
  readonly path: string;
  readonly type: Inode['type'];
  /** As the image says. */
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Of a device, which then is not there at all. */
  readonly device?: TarMember['device'];
  /** Extended attributes that were refused, in base64. */
  readonly xattrs?: Readonly<Record<string, string>> | undefined;
}

/** What a folder has that no layer lists but something in it. */
export const IMPLIED: Attributes = { uid: 0, gid: 0, mode: 0o755, mtime: 0 };

const SETUID = 0o4000;
const SETGID = 0o2000;

const uid = process.geteuid?.() ?? 0;
const gid = process.getegid?.() ?? 0;
/** Who cannot give files away owns them all, in the place of the image's root. */
const isRoot = uid === 0;

/** Gives an open file owner, mode and time, in the order in which none takes another away. */
export function finishFile(file: number, inode: Inode, attributes: Attributes): void {
  const owned = give(attributes, () => fchownSync(file, attributes.uid, attributes.gid));
  fchmodSync(file, modeFor(inode, attributes, owned));
  const time = systemTime(attributes.mtime);
  futimesSync(file, time, time);
}

/** Gives a link owner and time; links have no mode. */
export function finishLink(path: PathLike, inode: Inode, attributes: Attributes): void {
  if (!give(attributes, () => lchownSync(path, attributes.uid, attributes.gid))) inode.unkept = attributes;
  const time = systemTime(attributes.mtime);
  lutimesSync(path, time, time);
}

/** Gives what is at `path`, and is no link, all its attributes. */
export async function finishPath(path: PathLike, inode: Inode, attributes: Attributes): Promise<void> {
  const owned = give(attributes, () => lchownSync(path, attributes.uid, attributes.gid));
  // A change of owner or content takes capabilities away, and only a file that may be written can get attributes.
  const refused = await setXattrs(path, attributes);
  chmodSync(path, modeFor(inode, attributes, owned));
  const time = systemTime(attributes.mtime);
  lutimesSync(path, time, time);
  if (refused.size > 0) inode.unkept = { ...attributes, xattrs: refused };
}

/** @returns whether the owner is the image's, or this user in the place of the image's root */
function give(attributes: Attributes, change: () => void): boolean {
  if (!isRoot) return attributes.uid === 0 && attributes.gid === 0;
  if (attributes.uid === uid && attributes.gid === gid) return true;
  try {
    change();
    return true;
  } catch (error) {
    // Root of a user namespace has no more owners than were mapped into it.
    if (systemCode(error) === 'EINVAL' || systemCode(error) === 'EPERM') return false;
    throw error;
  }
}

/** The mode that can be had, and a note of the true one where that is another, or the owner is. */
function modeFor(inode: Inode, attributes: Attributes, owned: boolean): number {
  const mode = modeOnDisk(inode.type, attributes, owned);
  inode.unkept = owned && mode === attributes.mode ? undefined : { ...attributes, xattrs: undefined };
  return mode;
}

/**
 * The mode that something is unpacked with by this user.
 * @param owned whether it has the owner that the image says
 */
export function modeOnDisk(
  type: TarMember['type'],
  { uid, gid, mode }: Pick<Attributes, 'uid' | 'gid' | 'mode'>,
  owned: boolean,
  asRoot: boolean = isRoot,
): number {
  let had = mode;
  // Who runs as somebody in the image must not run as this user instead.
  if (!owned && uid !== 0) had &= ~SETUID;
  if (!owned && gid !== 0 && type !== 'directory') had &= ~SETGID;
  return asRoot ? had : opened(type, had);
}

/** What this user may not enter it can neither read nor remove, and what it may not read it cannot copy. */
export function opened(type: TarMember['type'], mode: number): number {
  if (type === 'directory') return mode | 0o700;
  return type === 'file' ? mode | 0o400 : mode;
}

/** The difference between two numbers next to each other where times of today are, in seconds. */
const TICK = 2.4e-7;

/** Seconds that every file system takes, so that a Node that cuts them off at microseconds cuts at the right one. */
function systemTime(mtime: number): number {
  const microseconds = Math.round(Math.min(Math.max(mtime, -(2 ** 31)), 2 ** 33) * 1e6);
  const seconds = microseconds / 1e6;
  return Math.trunc(seconds * 1e6) === microseconds ? seconds : seconds + TICK;
}

/** Those of another namespace are about the machine that packed them, or would mean something to overlayfs here. */
export function isPortable(name: string): boolean {
  return name === 'security.capability' || /^user\.(?!overlay\.)./.test(name);
}

/** @returns what was refused */
async function setXattrs(
  path: PathLike,
  { xattrs = new Map() }: Attributes,
): Promise<ReadonlyMap<string, Buffer>> {
  if (xattrs.size === 0) return xattrs;
  // Where there is no build of it for a machine, nothing is kept.
  const native = await import('@napi-rs/xattr').catch(() => undefined);
  const refused = new Map<string, Buffer>();
  for (const [name, value] of xattrs) {
    try {
      if (native === undefined || typeof path !== 'string') refused.set(name, value);
      else native.setAttributeSync(path, name, value);
    } catch {
      refused.set(name, value);
    }
  }
  return refused;
}

/** What is to be remembered of an inode that could not be made as the image has it. */
export function unkeptOf(path: string, inode: Inode): Unkept | undefined {
  if (inode.unkept === undefined) return undefined;
  const { type } = inode;
  const { uid, gid, mode, xattrs } = inode.unkept;
  const device = type === 'device' ? { device: inode.device } : {};
  const texts = [...(xattrs ?? [])].map(([name, value]) => [name, value.toString('base64')] as const);
  const refused = texts.length > 0 ? { xattrs: Object.fromEntries(texts) } : {};
  return { path, type, uid, gid, mode, ...device, ...refused };
}
