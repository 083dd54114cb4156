import { readFileSync } from 'node:fs';
import { mkdir, readFile, readlink, realpath, writeFile } from 'node:fs/promises';
import { OcislimError } from '../lib/errors.ts';
import { removeTree } from '../lib/remove-tree.ts';
import { which } from '../lib/which.ts';
import { bubblewrap } from './bubblewrap.ts';
import type { Driver } from './driver.ts';
import { proot } from './proot.ts';
import { type Mount, ROOT } from './room.ts';
import { runInRoom } from './start.ts';

export type SandboxName = 'auto' | 'bubblewrap' | 'proot';

/** Whether a driver works here, and what it said where it does not. */
export interface Probe {
  readonly driver: Driver;
  readonly works: boolean;
  readonly why: string;
}

export interface ChooseOptions {
  /** Folder in which runs get theirs. */
  readonly place: () => Promise<string>;
  /** File that remembers what was found. */
  readonly memo: string;
  /** What else the user can do where nothing works, e.g. `compile on the host with --toolchain host`. */
  readonly instead?: string | undefined;
  readonly signal: AbortSignal;
}

/** All drivers, the better first. */
export function drivers(name: SandboxName = 'auto'): readonly Driver[] {
  if (process.getuid?.() !== 0)
    return [bubblewrap('user-range', true), bubblewrap('user', true), bubblewrap('user', false), proot];
  const own = [bubblewrap('root', true), bubblewrap('root', false)];
  // proot leaves a command all that its user may do, which in a container without privileges is little.
  return mayMount() && name === 'auto' ? own : [...own, proot];
}

/**
 * The first driver that works here. Each is tried with a real run, once; what was found is remembered for as long as
 * the machine runs and this user's rights stay as they are.
 * @throws OCISLIM_SANDBOX_UNAVAILABLE with what is blocked, and the ways out
 */
export async function chooseDriver(name: SandboxName, options: ChooseOptions): Promise<Driver> {
  const candidates = drivers(name).filter((driver) => name === 'auto' || driver.name === name);
  const circumstances = await describeCircumstances();
  const known = await readMemo(options.memo, circumstances);
  const remembered = candidates.find(({ title }) => title === known);
  if (remembered !== undefined) return remembered;
  const probes: Probe[] = [];
  for (const driver of candidates) {
    const probe = await probeDriver(driver, options);
    probes.push(probe);
    if (!probe.works) continue;
    if (name === 'auto') await writeMemo(options.memo, circumstances, driver.title);
    return driver;
  }
  throw await unavailable(name, probes, options.instead);
}

/** Whether this process has CAP_SYS_ADMIN (capabilities(7)), with which it could mount and change the machine. */
function mayMount(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return (BigInt(`0x${effective}`) & (1n << 21n)) !== 0n;
}

/** Runs `true` of the host in an empty root. */
export async function probeDriver(driver: Driver, { place, signal }: ChooseOptions): Promise<Probe> {
  const folder = await place();
  const root = `${folder}.root`;
  const output: Buffer[] = [];
  try {
    await mkdir(root, { recursive: true });
    const room = {
      root,
      mounts: await hostFolders(),
      network: 'none',
      hostname: 'probe',
      limits: {},
    } as const;
    const order = { args: ['true'], env: { PATH: '/usr/bin:/bin' }, cwd: '/', identity: ROOT };
    const onOutput = (chunk: Buffer) => void output.push(chunk);
    const { code } = await runInRoom(driver, room, order, { folder, signal, onOutput });
    const lines = Buffer.concat(output).toString('utf8').trim().split('\n');
    const said = lines.find((line) => /error/i.test(line)) ?? lines.at(-1);
    return { driver, works: code === 0, why: code === 0 ? '' : said || `exit code ${code}` };
  } catch (error) {
    signal.throwIfAborted();
    return { driver, works: false, why: error instanceof Error ? error.message : String(error) };
  } finally {
    await removeTree(root);
  }
}

async function hostFolders(): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const target of ['/usr', '/bin', '/lib', '/lib64', '/nix']) {
    const source = await realpath(target).catch(() => undefined);
    if (source !== undefined) mounts.push({ source, target, isWritable: false });
  }
  return mounts;
}

/** What a driver's working depends on. */
async function describeCircumstances(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const rights = status.split('\n').filter((line) => /^(?:Uid|CapEff|NoNewPrivs|Seccomp):/.test(line));
  const spaces = await Promise.all(
    ['user', 'mnt'].map((name) => readlink(`/proc/self/ns/${name}`).catch(() => '')),
  );
  const programs = await Promise.all(['setpriv', 'unshare', 'bwrap', 'proot'].map((name) => which(name)));
  const settings = await Promise.all(SETTINGS.map(kernelSetting));
  return JSON.stringify([boot.trim(), ...rights, ...spaces, ...programs, ...settings]);
}

async function readMemo(path: string, circumstances: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [first, title] = text.split('\n');
  return first === circumstances ? title : undefined;
}

/** What cannot be remembered is tried again. */
async function writeMemo(path: string, circumstances: string, title: string): Promise<void> {
  await writeFile(path, `${circumstances}\n${title}\n`).catch(() => {});
}

async function unavailable(
  name: SandboxName,
  probes: readonly Probe[],
  instead: string | undefined,
): Promise<OcislimError> {
  const said = probes.map(({ driver, why }) => `${driver.title}: ${why}`).join('; ');
  const blocked = await findBlocks();
  const what = name === 'auto' ? 'no sandbox works here' : `${name} does not work here`;
  return new OcislimError('OCISLIM_SANDBOX_UNAVAILABLE', `${what} (${said})`, {
    hint: [
      ...blocked,
      ...(instead === undefined ? [] : [`or ${instead}`]),
      '`ocislim doctor` shows what works',
    ].join('; '),
  });
}

/** Settings of the kernel that allow namespaces, or not (sysctl(8)). */
const SETTINGS = [
  'user/max_user_namespaces',
  'user/max_net_namespaces',
  'kernel/unprivileged_userns_clone',
  'kernel/apparmor_restrict_unprivileged_userns',
];

async function kernelSetting(name: string): Promise<string> {
  return (await readFile(`/proc/sys/${name}`, 'utf8').catch(() => '')).trim();
}

/** What keeps ordinary users from making namespaces, and what to do about it. */
async function findBlocks(): Promise<readonly string[]> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const blocks: string[] = [];
  if ((await which('bwrap')) === undefined)
    blocks.push('install bubblewrap, or proot where namespaces are blocked');
  else if ((await which('proot')) === undefined) blocks.push('install proot, which needs no namespaces');
  if ((await kernelSetting('user/max_user_namespaces')) === '0')
    blocks.push('user namespaces are switched off: sysctl user.max_user_namespaces');
  if ((await kernelSetting('kernel/unprivileged_userns_clone')) === '0')
    blocks.push('they are switched off for ordinary users: sysctl kernel.unprivileged_userns_clone=1');
  if ((await kernelSetting('kernel/apparmor_restrict_unprivileged_userns')) === '1')
    blocks.push('AppArmor restricts them: sysctl kernel.apparmor_restrict_unprivileged_userns=0');
  if (/^Seccomp:\s*2$/m.test(status)) blocks.push('a seccomp filter, as of a container, may block them');
  return blocks;
}
