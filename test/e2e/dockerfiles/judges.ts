import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { must, type Ran, run } from '../../support/cli.ts';
import type { DockerEngine } from '../../support/engines.ts';
import { tempDir } from '../../support/temp.ts';
import { type Case, type Judge, textOf } from './case.ts';

/** A case on the disk. */
export interface Scene {
  readonly context: string;
  readonly file: string;
  /** id and file of each secret. */
  readonly secrets: readonly (readonly [string, string])[];
}

/** Writes a case's context, Dockerfile and secrets. */
export function writeScene(one: Pick<Case, 'files' | 'dockerfile' | 'path' | 'secrets'>): Scene {
  const folder = tempDir();
  const context = join(folder, 'context');
  mkdirSync(context);
  for (const [path, file] of Object.entries(one.files ?? {})) writeFile(context, path, file);
  const file = join(context, one.path ?? 'Dockerfile');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, textOf(one));
  const secrets = Object.entries(one.secrets ?? {}).map(([id, content]) => {
    writeFileSync(join(folder, id), content, { mode: 0o600 });
    return [id, join(folder, id)] as const;
  });
  return { context, file, secrets };
}

function writeFile(context: string, path: string, file: NonNullable<Case['files']>[string]): void {
  const at = join(context, path);
  mkdirSync(dirname(at), { recursive: true });
  if (typeof file === 'string' || Buffer.isBuffer(file)) {
    writeFileSync(at, file, { mode: 0o644 });
    return;
  }
  if ('link' in file) {
    symlinkSync(file.link, at);
    return;
  }
  if ('hardlink' in file) {
    linkSync(join(context, file.hardlink), at);
    return;
  }
  if (file.content === undefined) mkdirSync(at, { recursive: true });
  else writeFileSync(at, file.content);
  chownSync(at, file.uid ?? 0, file.gid ?? 0);
  chmodSync(at, file.mode ?? (file.content === undefined ? 0o755 : 0o644));
}

/** The options that a case means, which docker, buildah and ocislim spell alike. */
export function optionsOf(one: Case, { file, secrets }: Scene): readonly string[] {
  return [
    ...['-f', file],
    ...Object.entries(one.args ?? {}).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...(one.target === undefined ? [] : ['--target', one.target]),
    ...(one.platform === undefined ? [] : ['--platform', one.platform]),
    ...secrets.flatMap(([id, path]) => ['--secret', `id=${id},src=${path}`]),
  ];
}

export interface Judges {
  build(judge: Exclude<Judge, 'hand'>, tag: string, one: Case, scene: Scene): Promise<Ran>;
}

/** The builders, on one dockerd and one storage of buildah's. */
export function openJudges(docker: DockerEngine, bases: string): Judges {
  const cli = dockerWithBuildkit();
  const folder = tempDir();
  const storage = [
    '--root',
    join(folder, 'root'),
    '--runroot',
    join(folder, 'run'),
    '--storage-driver',
    'vfs',
  ];
  let pulled: Promise<unknown> | undefined;
  const buildah = async (tag: string, one: Case, scene: Scene) => {
    pulled ??= pullAll(bases, storage);
    await pulled;
    const how = ['bud', '--isolation', 'chroot', '--network', 'host', '--pull-never', '--format', 'docker'];
    const ran = await run('buildah', [
      ...storage,
      ...how,
      ...optionsOf(one, scene),
      '-t',
      tag,
      scene.context,
    ]);
    if (ran.code !== 0) return ran;
    const archive = join(tempDir(), 'image.tar');
    await must('buildah', [...storage, 'push', '-q', tag, `docker-archive:${archive}:${tag}`]);
    await docker.docker(['load', '-q', '-i', archive]);
    return ran;
  };
  return {
    build(judge, tag, one, scene) {
      if (judge === 'buildah') return buildah(tag, one, scene);
      const args = ['build', '--no-cache', '--force-rm', '--network', 'none', '-t', tag];
      const options = optionsOf(one, scene);
      const env = {
        ...docker.env,
        DOCKER_BUILDKIT: judge === 'buildkit' ? '1' : '0',
        BUILDKIT_PROGRESS: 'plain',
      };
      return run(cli, [...args, ...options, scene.context], { env });
    },
  };
}

async function pullAll(bases: string, storage: readonly string[]): Promise<void> {
  const listed = execFileSync('tar', ['-xOf', bases, 'manifest.json']).toString();
  for (const { RepoTags } of JSON.parse(listed) as { RepoTags: string[] }[])
    for (const tag of RepoTags)
      await must('buildah', [...storage, 'pull', '-q', `docker-archive:${bases}:${tag}`]);
}

/** A docker command that brings BuildKit's client along: newer ones look for it in a plugin. */
function dockerWithBuildkit(): string {
  const found = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin']
    .map((folder) => join(folder, 'docker'))
    .filter((path) => existsSync(path));
  const able = found.find((path) => {
    const version = execFileSync(path, ['--version']).toString();
    if (/version (?:1\d|20)\./.test(version)) return true;
    try {
      execFileSync(path, ['buildx', 'version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  if (able === undefined)
    throw new Error('no docker command that has BuildKit (docker.io, or docker-buildx)');
  return able;
}
