import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislimCommand, succeeded } from '../support/cli.ts';
import { type DockerRegistry, HTPASSWD, startRegistry } from '../support/docker-registry.ts';
import { type Documented, linesToType, type Page, pages } from '../support/documented.ts';
import {
  type ContainerdEngine,
  type DockerEngine,
  startContainerd,
  startDocker,
} from '../support/engines.ts';
import { kubernetes } from '../support/kubernetes.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { github, githubFolder } from './docs/github.ts';
import { BEFORE, NOT_RUN, TYPING } from './docs/lines.ts';
import { npmRegistry, ocislimTarball } from './docs/npm.ts';
import { readersFolder } from './docs/reader.ts';
import { type Complaint, typeLine } from './docs/typing.ts';

describeWithPeers(
  'the documentation',
  [
    'docker-registry',
    'dockerd',
    'docker',
    'containerd',
    'ctr',
    'bash',
    'git',
    'go',
    'kubectl',
    'npm',
    'bwrap',
    'script',
  ],
  () => {
    let registry: DockerRegistry;
    let engine: DockerEngine;
    let containerd: ContainerdEngine;
    let goCache: string;
    let repositories: string;
    let tarball: string;
    const bin = tempDir();

    beforeAll(async () => {
      const htpasswd = join(tempDir(), 'htpasswd');
      writeFileSync(htpasswd, HTPASSWD);
      [registry, engine, containerd] = await Promise.all([
        startRegistry({ htpasswd }),
        startDocker(),
        startContainerd(),
      ]);
      repositories = await githubFolder();
      goCache = (await must('go', ['env', 'GOCACHE'])).trim();
      const words = ocislimCommand.map((word) => `'${word}'`).join(' ');
      // As npx has it: what is installed in this folder, else what is under test.
      const own = 'node_modules/.bin/ocislim';
      program('ocislim', `[ ! -x ${own} ] || exec ${own} "$@"\nexec ${words} "$@"`);
      tarball = await ocislimTarball();
      program('sudo', 'exec "$@"');
      // kind asks for privileges, which a machine that is a container itself may not have to give; it needs none here.
      const docker = (await must('which', ['docker'])).trim();
      program(
        'docker',
        `[ "$1 $2" = 'exec --privileged' ] && shift 2 && set -- exec "$@"\nexec ${docker} "$@"`,
      );
      // As k3s has it: containerd's own, for its daemon and its namespace.
      program('k3s', '[ "$1" = ctr ] && shift && exec ctr -n k8s.io "$@"');
      const sources = alpineBases().map((base) => {
        const folder = tempDir();
        writeBaseLayout(folder, base);
        return `oci:${folder}`;
      });
      const env = { OCISLIM_HOME: tempDir(), DOCKER_CONFIG: loggedIn() };
      await succeeded(['index', 'create', `${registry.host}/library/alpine:latest`, ...sources, '--push'], {
        env,
      });
      const folder = tempDir();
      writeBaseLayout(join(folder, 'debian'), debianWith([]));
      const golang = ['-t', `${registry.host}/library/golang:1.24-alpine`, '-e', 'GOTOOLCHAIN=local'];
      await packGo(folder, [...golang, '--entrypoint', '[]', '--push'], { cwd: folder, env });
    });
    afterAll(async () => {
      await Promise.all([registry?.stop(), engine?.stop(), containerd?.stop()]);
    });

    function program(name: string, script: string): void {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }

    function loggedIn(): string {
      const folder = tempDir();
      const auth = Buffer.from('me:right').toString('base64');
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
      return folder;
    }

    /** Docker Hub is the registry of this test. */
    function registriesConf(): string {
      const file = join(tempDir(), 'registries.conf');
      const mirror = `[[registry.mirror]]\nlocation = "${registry.host}"\ninsecure = true\n`;
      writeFileSync(file, `[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n${mirror}`);
      return file;
    }

    async function typeAll(page: Page): Promise<readonly Complaint[]> {
      const lines = linesToType(page);
      const logsIn = lines.some(({ command }) => command.includes('--password-stdin'));
      const env = {
        PATH: `${bin}${delimiter}${process.env['PATH']}`,
        HOME: tempDir(),
        GOCACHE: goCache,
        OCISLIM_HOME: tempDir(),
        DOCKER_HOST: engine.env['DOCKER_HOST'],
        CONTAINERD_ADDRESS: containerd.address,
        DOCKER_CONFIG: logsIn ? tempDir() : loggedIn(),
        CONTAINERS_REGISTRIES_CONF: registriesConf(),
        // Whatever asks for another machine is refused there.
        ...(await github(repositories)),
        ...(await kubernetes()),
        ...(await npmRegistry()),
        OCISLIM_TARBALL: tarball,
        COSIGN_PASSWORD: 'secret',
        TOKEN: 'right',
      };
      const place = { cwd: await readersFolder(), env };
      const here = (line: string) =>
        line.replaceAll(/\b(?:ghcr\.io|registry\.example\.com)\b/g, registry.host);
      const before = (BEFORE[page.path] ?? []).map((command) => ({ page: '', line: 0, command, shown: [] }));
      const complaints: Complaint[] = [];
      for (const line of [...before, ...lines.filter(isTyped)]) {
        const complaint = await typeLine(line, TYPING[line.command] ?? {}, place, here);
        if (complaint !== undefined) complaints.push(complaint);
      }
      return complaints;
    }

    const left = Object.entries(TYPING).flatMap(([command, { needs }]) => {
      if (needs === undefined || needs.met()) return [];
      console.warn(`skipped: ${command}: needs ${needs.what}`);
      return [command];
    });
    const isTyped = ({ command }: Documented) => !Object.hasOwn(NOT_RUN, command) && !left.includes(command);
    const typed = pages().filter((page) => linesToType(page).some(isTyped));
    it.each(typed)('in $path works as it is typed', async (page) => {
      expect(await typeAll(page)).toEqual([]);
    });

    it.each([
      ['not run', NOT_RUN],
      ['typed in another way', TYPING],
    ])('has the lines that are %s', (_, table) => {
      const lines = new Set(pages().flatMap((page) => linesToType(page).map(({ command }) => command)));
      expect(Object.keys(table).filter((command) => !lines.has(command))).toEqual([]);
    });
  },
  asRoot,
);
