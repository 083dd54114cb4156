import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { removeTempDirs } from '../support/temp.ts';
import type { Arguments } from './arguments.ts';
import { pushAlpine, pushGolang } from './images.ts';
import type { Peer } from './peers.ts';
import { buildHello, machineCode, writeProgram } from './programs.ts';
import { type BuildKit, startBuildKit } from './servers.ts';

/** One way to start ocislim. */
export interface Own {
  readonly name: 'ocislim' | 'standalone';
  readonly argv: readonly string[];
}

/** Where a run of the suite happens, and what its cases share. Servers and images are there once a case asks. */
export interface Bench {
  readonly root: string;
  /** The folder of the package. */
  readonly sources: string;
  /** The built command. */
  readonly bin: string;
  /** The Node that runs ocislim. */
  readonly node: string;
  readonly own: readonly Own[];
  /** The registry. */
  readonly host: string;
  has(peer: Peer): boolean;
  /** A fresh folder. */
  folder(name: string): string;
  buildKit(): Promise<BuildKit>;
  docker(): Promise<DockerEngine>;
  alpine(): Promise<string>;
  /** An image with Go; images with other numbers share nothing with it. */
  golang(variant: number): Promise<string>;
  /** A number that no other content of this run is made with: daemons remember what cases before have shown them. */
  salt(): number;
  /** Writes a program that nobody has seen; see `writeProgram`. */
  program(path: string, size?: number): void;
  close(): Promise<void>;
}

export async function openBench(
  sources: string,
  { node, standalone }: Pick<Arguments, 'node' | 'standalone'>,
  peers: ReadonlySet<Peer>,
): Promise<Bench> {
  const root = mkdtempSync(join(tmpdir(), 'ocislim-bench-'));
  // What the helpers of the tests and other tools make for a while goes there, too.
  process.env['TMPDIR'] = root;
  const registry = await startRegistry();
  const stops = [() => registry.stop()];
  const started = async <Server extends { stop(): Promise<void> }>(starting: Promise<Server>) => {
    const server = await starting;
    stops.push(() => server.stop());
    return server;
  };
  let salts = 0;
  const salt = () => salts++;
  let folders = 0;
  const folder = (name: string) => {
    const path = join(root, `${folders++}-${name}`);
    mkdirSync(path);
    return path;
  };
  const filling = once(() => ({ hello: buildHello(join(root, 'hello')), code: machineCode() }));
  const bin = join(sources, 'bin/ocislim.js');
  const golangs: Promise<string>[] = [];
  const bench: Bench = {
    root,
    sources,
    bin,
    node,
    own: [
      { name: 'ocislim', argv: [node, bin] },
      ...(standalone === undefined ? [] : [{ name: 'standalone', argv: [standalone] } as const]),
    ],
    host: registry.host,
    has: (peer) => peers.has(peer),
    folder,
    buildKit: once(() => started(startBuildKit(join(root, 'buildkit'), registry.host))),
    docker: once(() => started(startDocker([registry.host]))),
    alpine: once(() => pushAlpine(bench)),
    golang: (variant) => {
      golangs[variant] ??= pushGolang(bench, variant);
      return golangs[variant];
    },
    salt,
    program: (path, size) =>
      writeProgram(path, { ...filling(), salt: salt(), ...(size === undefined ? {} : { size }) }),
    close: async () => {
      for (const stop of stops.reverse()) await stop();
      unmountBelow(root);
      rmSync(root, { recursive: true, force: true });
      removeTempDirs();
    },
  };
  return bench;
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** buildah and buildkitd leave folders mounted, the innermost of which come first here. */
function unmountBelow(folder: string): void {
  const script = `awk -v under="$1/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount`;
  spawnSync('sh', ['-c', script, 'sh', folder]);
}
