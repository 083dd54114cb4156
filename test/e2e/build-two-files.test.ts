import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, type Ran, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { openTempDir, USERS, type User, wrapFor } from '../support/users.ts';

/** The two files of the story this project began with, word for word: one of 781 MB, and one of 6 MB. */
const LARGE = `FROM golang:latest
COPY hello.go .
RUN go build hello.go
`;
const SMALL = `FROM golang:latest as builder
COPY hello.go .
RUN go build hello.go
FROM alpine:latest
COPY --from=builder /go/hello /usr/local/bin/hello
`;
const HELLO = `package main

import "fmt"

func main() {
\tfmt.Println("hello world")
}
`;

/** 0.1 MB, as sizes are shown. */
const TENTH = 100_000;

interface Listed {
  readonly repository: string;
  readonly tag: string;
  readonly imageId: string;
  readonly size: number;
}

describeWithPeers(
  'the two Dockerfiles of hello.go',
  ['bwrap', 'proot', 'unshare', 'newuidmap', 'docker-registry', 'dockerd', 'docker', 'go'],
  () => {
    let folder: string;
    let registry: DockerRegistry;
    let docker: DockerEngine;
    let mirror: readonly string[];
    /** Bytes of what Docker itself makes of each. */
    let sizes: { readonly large: number; readonly small: number };

    beforeAll(async () => {
      folder = openTempDir();
      const context = join(folder, 'context');
      execFileSync('mkdir', [context]);
      writeFileSync(join(context, 'hello.go'), HELLO);
      writeFileSync(join(context, 'Dockerfile.large'), LARGE);
      writeFileSync(join(context, 'Dockerfile'), SMALL);
      execFileSync('chmod', ['-R', 'a+rX', context]);
      registry = await startRegistry();
      docker = await startDocker();
      mirror = ['--mirror', `docker.io=http://${registry.host}`];
      await pushImages(folder, registry.host);
      for (const name of ['golang', 'alpine']) {
        await docker.docker(['pull', '-q', `${registry.host}/library/${name}:latest`]);
        await docker.docker(['tag', `${registry.host}/library/${name}:latest`, `${name}:latest`]);
      }
      sizes = { large: await built('Dockerfile.large', 'large'), small: await built('Dockerfile', 'small') };
    }, 300_000);
    afterAll(async () => {
      await registry.stop();
      await docker.stop();
    });

    /** Builds with Docker, runs what was built, and gives its size. */
    async function built(file: string, name: 'large' | 'small'): Promise<number> {
      const context = join(folder, 'context');
      const env = { ...docker.env, DOCKER_BUILDKIT: '0' };
      const args = [
        'build',
        '-q',
        '--network',
        'none',
        '-f',
        join(context, file),
        '-t',
        `docker-${name}`,
        context,
      ];
      await must('docker', args, { env });
      expect(await started(`docker-${name}`, name)).toBe('hello world\n');
      const [inspected] = JSON.parse(await docker.docker(['image', 'inspect', `docker-${name}`]));
      return inspected.Size;
    }

    const started = (image: string, name: 'large' | 'small') => {
      const program = name === 'large' ? './hello' : 'hello';
      return docker.docker(['run', '--rm', '--network', 'none', image, program]);
    };

    const stores = new Map<User, string>();
    function as(user: User, ...args: readonly string[]): Promise<Ran> {
      const home = stores.get(user) ?? openTempDir();
      stores.set(user, home);
      const env = { OCISLIM_HOME: join(home, 'store'), HOME: home };
      return ocislim(args, { cwd: home, env, wrap: wrapFor(user) });
    }

    /** What `ocislim images` has of a name. */
    async function listed(user: User, name: string): Promise<Listed> {
      const ran = await as(user, 'images', '--json', name);
      expect(ran).toMatchObject({ code: 0 });
      const [image] = JSON.parse(ran.stdout) as readonly Listed[];
      if (image === undefined) throw new Error(`${name} is not in the store`);
      return image;
    }

    it('Docker makes a large and a small image of them', () => {
      expect(sizes.large).toBeGreaterThan(100_000_000);
      expect(sizes.small).toBeLessThan(15_000_000);
    });

    it.each(USERS)(
      '%s builds both, and Docker runs them',
      async (user) => {
        const context = join(folder, 'context');
        const build = (name: string, ...more: readonly string[]) =>
          as(user, 'build', context, ...mirror, '--network', 'none', '-t', `hello-${name}`, ...more);

        const large = await build('large', '-f', join(context, 'Dockerfile.large'));
        expect([large.code, large.code === 0 ? '' : large.stderr]).toEqual([0, '']);
        const archive = join(stores.get(user) ?? '', 'small.tar');
        // The Dockerfile is found in the context where none is named.
        const small = await build('small', '-o', `docker-archive:${archive}`);
        expect([small.code, small.code === 0 ? '' : small.stderr]).toEqual([0, '']);
        expect(existsSync(archive)).toBe(true);

        await docker.docker(['load', '-q', '-i', archive]);
        expect(await started('hello-small', 'small')).toBe('hello world\n');
        const [inspected] = JSON.parse(await docker.docker(['image', 'inspect', 'hello-small']));
        const own = await listed(user, 'hello-small');
        expect({ Id: own.imageId, Size: own.size }).toEqual({ Id: inspected.Id, Size: inspected.Size });
        expect(Math.abs(own.size - sizes.small)).toBeLessThan(TENTH);
        // Both have what Go caches while it compiles, which is some megabytes less or more.
        const { size } = await listed(user, 'hello-large');
        expect(Math.abs(size - sizes.large)).toBeLessThan(sizes.large / 20);
        const table = await as(user, 'images');
        expect(table.stdout).toMatch(/^hello-large +latest .* [\d.]+MB +[\d.]+MB$/m);
        expect(table.stdout).toMatch(/^hello-small +latest .* [\d.]+MB +[\d.]+MB$/m);
        await docker.docker(['rmi', 'hello-small']);
      },
      300_000,
    );

    it('the large one runs in Docker, too', async () => {
      const archive = join(folder, 'large.tar');
      const copied = await as('root', 'copy', 'store:hello-large', `docker-archive:${archive}`);
      expect(copied).toMatchObject({ code: 0 });
      await docker.docker(['load', '-q', '-i', archive]);
      expect(await started('hello-large', 'large')).toBe('hello world\n');
    });

    it('every user makes the same small image', async () => {
      const ids = await Promise.all(USERS.map(async (user) => (await listed(user, 'hello-small')).imageId));
      expect(new Set(ids).size).toBe(1);
    });

    it('a second build of the same asks the registry for no layer', async () => {
      const before = registry.requests().length;
      const again = await as('root', 'build', join(folder, 'context'), ...mirror, '-t', 'hello-again');
      expect(again).toMatchObject({ code: 0 });
      const later = registry.requests().slice(before);
      expect(later.filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
      const [first, second] = [await listed('root', 'hello-small'), await listed('root', 'hello-again')];
      expect(second.imageId).toBe(first.imageId);
    });
  },
  asRoot,
);

/** Pushes a golang and an alpine as Docker Hub has them: Go on Debian, in /go. */
async function pushImages(folder: string, host: string): Promise<void> {
  const [alpine] = alpineBases();
  if (alpine === undefined) throw new Error('no base');
  writeBaseLayout(join(folder, 'alpine'), alpine);
  writeBaseLayout(join(folder, 'debian'), debianWith([]));
  const options = { cwd: folder, env: { OCISLIM_HOME: join(openTempDir(), 'store') } };
  await succeeded(['copy', 'oci:alpine', `docker://${host}/library/alpine:latest`, '-q'], options);
  // dockerd 20 reads no zstd.
  const readable = ['--compression', 'gzip:1'];
  const env = ['-e', 'GOPATH=/go', '-e', 'GOTOOLCHAIN=local'];
  const where = ['--add', `${openTempDir()}:/go`, '-w', '/go', '--entrypoint', '[]'];
  const target = ['-t', `${host}/library/golang:latest`, '--push'];
  await packGo(folder, [...readable, ...env, ...where, ...target], options);
}
