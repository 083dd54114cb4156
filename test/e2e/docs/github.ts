import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../support/cli.ts';
import { httpServer } from '../../support/http-server.ts';
import { proxyTo } from '../../support/proxy.ts';
import { tempDir } from '../../support/temp.ts';

const IDENTITY = ['-c', 'user.name=me', '-c', 'user.email=me@example.com'];

/** A folder as github.com has it: with `me/app.git`, with a Dockerfile in `service` that tells its tag. */
export async function githubFolder(): Promise<string> {
  const [folder, work] = [tempDir(), tempDir()];
  const git = (...args: string[]) => must('git', [...IDENTITY, ...args], { cwd: work });
  await git('init', '-q');
  mkdirSync(join(work, 'service'));
  writeFileSync(
    join(work, 'service/Dockerfile'),
    'FROM alpine\nCOPY said /\nCMD ["busybox", "cat", "/said"]\n',
  );
  for (const tag of ['v1.2', 'v1.3']) {
    writeFileSync(join(work, 'service/said'), `${tag}\n`);
    await git('add', '-A');
    await git('commit', '-qm', tag);
    await git('tag', tag);
  }
  const bare = join(folder, 'me/app.git');
  await git('clone', '-q', '--bare', work, bare);
  await git('--git-dir', bare, 'update-server-info');
  return folder;
}

/**
 * github.com on loopback, for one test: a proxy that leads there whatever is asked for, and a certificate for that host
 * alone, so that every other is refused.
 * @returns variables that lead git there
 */
export async function github(folder: string): Promise<NodeJS.ProcessEnv> {
  const place = tempDir();
  const [key, cert] = [join(place, 'key.pem'), join(place, 'cert.pem')];
  const subject = ['-subj', '/CN=github.com', '-addext', 'subjectAltName=DNS:github.com'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  await must('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert]);
  const tls = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  const server = await httpServer(({ path }) => fileAt(folder, path), { tls });
  const proxy = await proxyTo(server.host);
  return { https_proxy: proxy.url, GIT_SSL_CAINFO: cert };
}

/** Plain files are a repository, too. */
function fileAt(folder: string, path: string) {
  try {
    return { body: readFileSync(join(folder, new URL(path, 'https://github.com').pathname)) };
  } catch {
    return undefined;
  }
}
