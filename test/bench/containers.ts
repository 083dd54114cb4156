import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from './model.ts';

/** `buildah` with storage of its own below a folder, which may go between two commands. */
export function buildah(folder: string, ...args: readonly string[]): Command {
  mkdirSync(folder, { recursive: true });
  const where = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run')];
  return { argv: ['buildah', ...where, ...args] };
}

/** `buildah bud` as it is quickest here: as root without namespaces, with its cache of layers. */
export function bud(folder: string, name: string, context: string): Command {
  const quickest = ['--layers', '--pull=false', '--tls-verify=false', '--isolation', 'chroot'];
  return buildah(folder, 'bud', ...quickest, '-t', name, context);
}

/** `buildctl build` of the Dockerfile in a context. */
export function solve(buildctl: readonly string[], context: string, output?: string): Command {
  const local = ['--local', `context=${context}`, '--local', `dockerfile=${context}`];
  const to = output === undefined ? [] : ['--output', output];
  return {
    argv: [...buildctl, 'build', '--progress', 'plain', '--frontend', 'dockerfile.v0', ...local, ...to],
  };
}

/** `docker` without buildx, which no Debian package of the engine brings. */
export function docker(env: NodeJS.ProcessEnv, ...args: readonly string[]): Command {
  return { argv: ['docker', ...args], env: { ...env, DOCKER_BUILDKIT: '0' } };
}
