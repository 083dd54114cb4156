import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount, Room } from './room.ts';

/**
 * The files by which names of hosts are looked up: as the host has them where the room has its network, else loopback
 * alone. They are copies that are gone with the run, since commands may write to them, and images must not have them.
 */
export async function networkFiles({ network, hostname }: Room, folder: string): Promise<readonly Mount[]> {
  const own = `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`;
  const isHost = network === 'host';
  const hosts = isHost ? await readFile('/etc/hosts').catch(() => own) : own;
  const resolver = isHost ? await readFile('/etc/resolv.conf').catch(() => '') : '';
  return [
    await mount(join(folder, 'hosts'), hosts, '/etc/hosts'),
    await mount(join(folder, 'resolv.conf'), resolver, '/etc/resolv.conf'),
  ];
}

async function mount(source: string, content: string | Buffer, target: string): Promise<Mount> {
  await writeFile(source, content, { mode: 0o644 });
  return { source, target, isWritable: true };
}
