import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { must } from '../../support/cli.ts';
import { freePort, startProcess } from '../../support/processes.ts';
import { END, member } from '../../support/tars.ts';
import { tempDir } from '../../support/temp.ts';

export interface Services {
  /** Puts the services' addresses in the place of `{http}` and `{git}`. */
  fill(text: string): string;
  stop(): Promise<void>;
}

/** What URLs lead to: an HTTP server and a git daemon, both on loopback. */
export async function startServices(): Promise<Services> {
  const pages: Readonly<Record<string, Buffer>> = {
    '/hello.txt': Buffer.from('hello\n'),
    '/files.tar.gz': gzipSync(Buffer.concat([member('in/side', 'inside\n', { uid: 7, gid: 8 }), END])),
  };
  const server = createServer((request, response) => {
    const page = pages[new URL(request.url ?? '/', 'http://x').pathname];
    response.writeHead(page === undefined ? 404 : 200, { 'content-length': page?.length ?? 0 });
    response.end(request.method === 'HEAD' ? undefined : page);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const folder = tempDir();
  await makeRepository(join(folder, 'repo.git'));
  const port = await freePort();
  const daemon = await startProcess(
    'git',
    ['daemon', '--verbose', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--base-path=${folder}`],
    (output) => output.includes('Ready to rumble'),
  );
  return {
    fill: (text) => text.replaceAll('{http}', http).replaceAll('{git}', `git://127.0.0.1:${port}`),
    stop: async () => {
      await daemon.stop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A repository with a folder, a tag and a branch. */
async function makeRepository(folder: string): Promise<void> {
  const git = (...args: string[]) => must('git', ['-C', folder, ...args], { env: { HOME: folder } });
  await must('git', ['init', '-q', '-b', 'main', folder]);
  writeFileSync(join(folder, 'README'), 'first\n');
  await must('mkdir', [join(folder, 'sub')]);
  writeFileSync(join(folder, 'sub/run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await git('config', 'user.name', 'test');
  await git('config', 'user.email', 'test@localhost');
  await git('add', '.');
  await git('commit', '-qm', 'first');
  await git('tag', 'v1');
  writeFileSync(join(folder, 'README'), 'second\n');
  await git('commit', '-qam', 'second');
}
