import { realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount, Room } from './room.ts';

/** The files by which names of hosts are looked up: the host's own where the room has its network, else loopback alone. */
export async function networkFiles({ network, hostname }: Room, folder: string): Promise<readonly Mount[]> {
  const hosts = join(folder, 'hosts');
  await writeFile(hosts, `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`);
  if (network === 'none') return [mount(hosts, '/etc/hosts')];
  const found = await Promise.all(
    ['/etc/hosts', '/etc/resolv.conf'].map(async (path) => {
      const source = await realpath(path).catch(() => undefined);
      return source === undefined ? [] : [mount(source, path)];
    }),
  );
  return found.flat();
}

function mount(source: string, target: string): Mount {
  return { source, target, isWritable: false };
}
