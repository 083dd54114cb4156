import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startProcess } from './processes.ts';
import { tempDir } from './temp.ts';

/** A request that reached the registry. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

export interface DockerRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** All requests so far, from its own access log. */
  requests(): LoggedRequest[];
  stop(): Promise<void>;
}

/** User `me` with the password `right` in bcrypt, as `htpasswd -nbB me right` makes it. */
export const HTPASSWD = 'me:$2y$05$zetPYokGKQMaGIgz18yXueRLaBXzt8MhGz4jg/sp9M7vZnb7slfY.\n';

export interface RegistryOptions {
  /** An htpasswd file, which makes it ask for Basic credentials. */
  readonly htpasswd?: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Starts Debian's docker-registry (distribution 2.8) on loopback with an empty folder. */
export async function startRegistry(options: RegistryOptions = {}): Promise<DockerRegistry> {
  const folder = tempDir();
  const host = `127.0.0.1:${await freePort()}`;
  const { htpasswd, tls } = options;
  const config = {
    version: 0.1,
    log: { accesslog: { disabled: false }, level: 'warn' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: host, ...(tls ? { tls } : {}) },
    ...(htpasswd ? { auth: { htpasswd: { realm: 'test', path: htpasswd } } } : {}),
  };
  // JSON is YAML.
  const file = join(folder, 'config.yml');
  writeFileSync(file, JSON.stringify(config));
  const scheme = tls ? 'https' : 'http';
  const started = await startProcess('docker-registry', ['serve', file], async () => {
    if (tls) return isOpen(host);
    return fetch(`${scheme}://${host}/v2/`).then(
      (answer) => answer.status < 500,
      () => false,
    );
  });
  return {
    host,
    requests: () =>
      [...started.output().matchAll(/"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP\/[\d.]+" (\d{3})/g)].map(
        ([, method = '', path = '', status]) => ({ method, path, status: Number(status) }),
      ),
    stop: () => started.stop(),
  };
}

async function isOpen(host: string): Promise<boolean> {
  const { connect } = await import('node:net');
  const [name = '', port] = host.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), name, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
