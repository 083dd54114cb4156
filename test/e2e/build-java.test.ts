import { cpSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { debianBase, writeBaseLayout } from '../support/bases.ts';
import { must, ocislim, type Ran, root } from '../support/cli.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { debianWith } from '../support/toolchains.ts';
import { openTempDir, type User, wrapFor } from '../support/users.ts';

/** Plugins are in a folder of this machine, as they would be in a cache: the build has no network. */
const PACKAGE = [
  'COPY hello-maven .',
  'RUN --mount=type=bind,from=plugins,target=/plugins,rw \\',
  '    mvn --batch-mode --quiet --offline -Dmaven.repo.local=/plugins -DskipTests package',
];
const ONE_STAGE = [
  'FROM maven:3',
  'WORKDIR /src',
  ...PACKAGE,
  'CMD ["java", "-jar", "target/hello-1.0.0.jar"]',
  '',
].join('\n');
const TWO_STAGES = [
  'FROM maven:3 AS builder',
  'WORKDIR /src',
  ...PACKAGE,
  'RUN jlink --add-modules "$(jdeps --print-module-deps target/hello-1.0.0.jar)" --compress=2 \\',
  '    --strip-java-debug-attributes --no-header-files --no-man-pages --output /opt/java',
  '',
  'FROM debian:stable-slim',
  'COPY --from=builder /usr/lib/x86_64-linux-gnu/libz.so.1 /usr/lib/x86_64-linux-gnu/',
  'COPY --from=builder /opt/java /opt/java',
  'COPY --from=builder /src/target/hello-1.0.0.jar /app/hello.jar',
  'ENV PATH=/opt/java/bin:$PATH',
  'USER 1000',
  'ENTRYPOINT ["java", "-jar", "/app/hello.jar"]',
  '',
].join('\n');

interface Listed {
  readonly imageId: string;
  readonly size: number;
}

describeWithPeers(
  'a Java program built with Maven',
  ['bwrap', 'unshare', 'mvn', 'javac', 'jlink', 'jdeps', 'dockerd', 'docker'],
  () => {
    let folder: string;
    let context: string;
    let docker: DockerEngine;

    beforeAll(async () => {
      folder = openTempDir();
      context = join(folder, 'context');
      cpSync(join(root, 'testdata/hello-maven'), join(context, 'hello-maven'), { recursive: true });
      writeFileSync(join(context, 'Dockerfile'), TWO_STAGES);
      writeFileSync(join(context, 'Dockerfile.large'), ONE_STAGE);
      // Has the plugins fetched where they are not here yet.
      const trial = join(folder, 'trial');
      cpSync(join(root, 'testdata/hello-maven'), trial, { recursive: true });
      await must('mvn', ['--batch-mode', '--quiet', '-DskipTests', 'package'], { cwd: trial });
      cpSync(join(homedir(), '.m2/repository'), join(folder, 'plugins'), { recursive: true });
      writeBaseLayout(join(folder, 'maven'), debianWith(['openjdk-17-jdk-headless', 'maven', 'grep']));
      writeBaseLayout(join(folder, 'debian'), debianBase());
      await must('chmod', ['-R', 'a+rX', folder]);
      docker = await startDocker();
    }, 180_000);
    afterAll(() => docker.stop());

    const stores = new Map<User, string>();
    function as(user: User, ...args: readonly string[]): Promise<Ran> {
      const home = stores.get(user) ?? openTempDir();
      stores.set(user, home);
      const env = { OCISLIM_HOME: join(home, 'store'), HOME: home };
      return ocislim(args, { cwd: home, env, wrap: wrapFor(user) });
    }
    async function build(user: User, name: string, ...more: readonly string[]): Promise<Listed> {
      const contexts = ['maven:3=oci:maven', 'debian:stable-slim=oci:debian', 'plugins=plugins'].flatMap(
        (each) => ['--build-context', each.replace(/=(oci:)?/, (_, kind = '') => `=${kind}${folder}/`)],
      );
      const ran = await as(user, 'build', context, ...contexts, '--network', 'none', '-t', name, ...more);
      expect([ran.code, ran.code === 0 ? '' : ran.stderr]).toEqual([0, '']);
      expect(ran.stderr).not.toContain('warning');
      const listed = await as(user, 'images', '--json', name);
      const [image] = JSON.parse(listed.stdout) as readonly Listed[];
      if (image === undefined) throw new Error(`${name} is not in the store`);
      return image;
    }

    let large: Listed;

    it('runs where it was built', async () => {
      large = await build('root', 'hello-large', '-f', join(context, 'Dockerfile.large'));
      expect(await as('root', 'run', '-q', 'hello-large')).toMatchObject({
        code: 0,
        stdout: 'hello from Maven\n',
      });
    });

    it.each(['root', 'user'] as const)(
      'as %s comes to less than 15 % with a runtime of just its modules, and runs in Docker',
      async (user) => {
        const home = openTempDir();
        const archive = join(home, 'small.tar');
        const small = await build(user, `hello-${user}`, '-o', `docker-archive:${archive}`);
        expect(small.size).toBeLessThan(large.size * 0.15);
        expect(await as(user, 'run', '-q', `hello-${user}`)).toMatchObject({
          code: 0,
          stdout: 'hello from Maven\n',
        });
        await docker.docker(['load', '-q', '-i', archive]);
        const tag = `hello-${user}`;
        expect(await docker.docker(['run', '--rm', '--network', 'none', tag])).toBe('hello from Maven\n');
        const [inspected] = JSON.parse(await docker.docker(['image', 'inspect', tag]));
        expect({ imageId: small.imageId, size: small.size }).toEqual({
          imageId: inspected.Id,
          size: inspected.Size,
        });
        // Nothing of what it was built with has come along.
        const files = await docker.docker([
          'run',
          '--rm',
          '--network',
          'none',
          '--entrypoint',
          'java',
          tag,
          '--list-modules',
        ]);
        expect(files).toMatch(/^java\.base@17[\d.]*\n$/);
      },
    );
  },
  asRoot,
);
