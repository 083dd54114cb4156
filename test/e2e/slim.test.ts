import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { alpineBases, debianBase, writeBaseLayout } from '../support/bases.ts';
import { ocislim, type Ran, root, succeeded } from '../support/cli.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { debianWith, packGo } from '../support/toolchains.ts';
import { openTempDir } from '../support/users.ts';

/** One stage, as in the story this project began with. */
const ONE_STAGE = `FROM golang:latest
COPY hello.go .
RUN go build hello.go
`;
const HELLO = `package main

import "fmt"

func main() {
\tfmt.Println("hello world")
}
`;

interface Slimmed {
  readonly dockerfile: string;
  readonly artifact: string;
  readonly base: string;
  readonly before: number;
  readonly after: number;
  readonly check: readonly { readonly rule: string; readonly level: string }[];
}

describeWithPeers(
  '`ocislim slim`',
  ['bwrap', 'go', 'gcc'],
  () => {
    let folder: string;
    let env: { readonly OCISLIM_HOME: string };

    beforeAll(async () => {
      folder = openTempDir();
      env = { OCISLIM_HOME: join(folder, 'store') };
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), alpine);
      writeBaseLayout(join(folder, 'debian'), debianWith([]));
      writeBaseLayout(join(folder, 'small-debian'), debianBase());
      writeBaseLayout(join(folder, 'gcc'), debianWith(['gcc', 'libc6-dev']));
      const where = ['--add', `${openTempDir()}:/go`, '-w', '/go', '--entrypoint', '[]'];
      const go = ['-e', 'GOPATH=/go', '-e', 'GOTOOLCHAIN=local', ...where, '-o', 'oci:golang'];
      await packGo(folder, go, { cwd: folder, env });
    }, 180_000);

    const named = () => [
      ...['--build-context', `golang:latest=oci:${folder}/golang`],
      ...['--build-context', `gcc=oci:${folder}/gcc`],
      ...['--build-context', `alpine=oci:${folder}/alpine`],
      ...['--build-context', `debian:stable-slim=oci:${folder}/small-debian`],
    ];
    function project(files: Readonly<Record<string, string>>): string {
      const place = openTempDir();
      cpSync(join(root, 'testdata/hello'), join(place, 'made'));
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(place, path)), { recursive: true });
        writeFileSync(join(place, path), content);
      }
      return place;
    }
    const slim = (cwd: string, ...args: readonly string[]): Promise<Ran> =>
      ocislim(['slim', ...named(), '--network', 'none', ...args], { cwd, env });
    async function proposed(cwd: string, ...args: readonly string[]): Promise<Slimmed> {
      const ran = await slim(cwd, '--json', ...args);
      if (ran.code !== 0) throw new Error(`${ran.stdout}\n${ran.stderr}`);
      return JSON.parse(ran.stdout) as Slimmed;
    }
    /** Builds a Dockerfile's text, and gives the image's size as `ocislim images` shows it. */
    async function sizeOf(cwd: string, name: string, text: string): Promise<number> {
      const options = { cwd, env, input: text };
      await succeeded(['build', ...named(), '-f', '-', '-t', name, '-q', '.'], options);
      const [image] = JSON.parse(await succeeded(['images', '--json', name], { cwd, env }));
      return image.size;
    }
    const starts = (name: string) => ocislim(['run', '-q', name], { cwd: folder, env });
    const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
    /** A Dockerfile whose one new program is `/src/hello`. */
    const making = (...more: readonly string[]) =>
      ['FROM alpine', 'WORKDIR /src', 'RUN --mount=target=/in cp /in/made hello', ...more, ''].join('\n');

    it('proposes two stages for the one of hello.go, with their true sizes', async () => {
      const cwd = project({ Dockerfile: ONE_STAGE, 'hello.go': HELLO });
      const result = await proposed(cwd);
      expect(result).toMatchObject({ artifact: '/go/hello', base: 'scratch' });
      expect(linesOf(result.dockerfile)).toEqual([
        'FROM golang:latest AS build',
        'COPY hello.go .',
        'RUN go build hello.go',
        'FROM scratch',
        'COPY --from=build /go/hello /usr/local/bin/hello',
        'CMD ["/usr/local/bin/hello"]',
      ]);
      expect(result.check.filter(({ level }) => level === 'error')).toEqual([]);
      expect({ before: result.before, after: result.after }).toEqual({
        before: await sizeOf(cwd, 'one', ONE_STAGE),
        after: await sizeOf(cwd, 'two', result.dockerfile),
      });
      expect(result.after).toBeLessThan(result.before / 50);
      expect(await starts('two')).toMatchObject({ code: 0, stdout: 'hello world\n' });
      expect(existsSync(join(cwd, 'Dockerfile.slim'))).toBe(false);
    }, 240_000);

    it('prints what it proposes, and writes it with --write', async () => {
      const cwd = project({ Dockerfile: making() });
      const printed = await slim(cwd);
      expect(printed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^FROM alpine AS build\n/) });
      expect(printed.stderr).toMatch(/^ {2}[\d.]+MB in one stage, [\d.]+\S?B on scratch \([\d.]+ %\)$/m);
      const silent = await slim(cwd, '--write');
      expect(silent).toMatchObject({ code: 0, stdout: '' });
      const text = readFileSync(join(cwd, 'Dockerfile.slim'), 'utf8');
      expect(text).toBe(printed.stdout);
      await slim(cwd, '--write', 'other');
      // The word behind --write is where to write, also where it was meant to be read.
      expect(await slim(cwd, '--write', 'Dockerfile')).toMatchObject({ code: 2 });
      expect(readFileSync(join(cwd, 'other'), 'utf8')).toBe(text);
      expect(readFileSync(join(cwd, 'Dockerfile'), 'utf8')).toBe(making());
      await sizeOf(cwd, 'written', text);
      expect(await starts('written')).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    it('keeps comments and directives, and moves how the image starts into the last stage', async () => {
      const text = [
        '# syntax=docker/dockerfile:1',
        '# What this is.',
        'FROM alpine',
        '# Where it listens.',
        'EXPOSE 8080/tcp',
        'WORKDIR /src',
        'LABEL a=1 \\',
        'b=2',
        '# How it is made.',
        'RUN --mount=target=/in cp /in/made hello',
        'USER 1000:1000',
        'STOPSIGNAL SIGINT',
        'HEALTHCHECK --interval=5s CMD ["/usr/local/bin/hello"]',
        'VOLUME /data',
        'ENTRYPOINT ["./hello"]',
        'CMD ["--serve"]',
        '# The end.',
      ];
      const cwd = project({ Dockerfile: text.join('\n') });
      const { dockerfile } = await proposed(cwd);
      expect(dockerfile).toBe(
        [
          '# syntax=docker/dockerfile:1',
          '# What this is.',
          'FROM alpine AS build',
          '# Where it listens.',
          'WORKDIR /src',
          '# How it is made.',
          'RUN --mount=target=/in cp /in/made hello',
          '# The end.',
          '',
          'FROM scratch',
          'EXPOSE 8080/tcp',
          'LABEL a=1 b=2',
          'STOPSIGNAL SIGINT',
          'HEALTHCHECK --interval=5s CMD ["/usr/local/bin/hello"]',
          'VOLUME /data',
          'USER 1000:1000',
          'COPY --from=build /src/hello /usr/local/bin/hello',
          'ENTRYPOINT ["/usr/local/bin/hello"]',
          'CMD ["--serve"]',
          '',
        ].join('\n'),
      );
      await sizeOf(cwd, 'moved', dockerfile);
      const inspected = await succeeded(['inspect', '--config', 'store:moved'], { cwd, env });
      expect(JSON.parse(inspected).config).toMatchObject({
        User: '1000:1000',
        Entrypoint: ['/usr/local/bin/hello'],
        Cmd: ['--serve'],
        ExposedPorts: { '8080/tcp': {} },
        Labels: { a: '1', b: '2' },
        Volumes: { '/data': {} },
        StopSignal: 'SIGINT',
      });
      expect(await starts('moved')).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    it('gives variables to what it moves, and to the program', async () => {
      const cwd = project({
        Dockerfile: making(
          'ARG NUMBER=1.2 UNUSED=x',
          'ARG OTHER=y',
          'ARG VERSION=v$NUMBER',
          'ENV PORT=8080 MODE="two words"',
          'LABEL version=$VERSION',
          'EXPOSE $PORT',
          'CMD ["./hello"]',
        ),
      });
      const { dockerfile } = await proposed(cwd);
      expect(dockerfile.split('FROM scratch')[1]).not.toContain('OTHER');
      await sizeOf(cwd, 'variables', dockerfile);
      const inspected = await succeeded(['inspect', '--config', 'store:variables'], { cwd, env });
      const { config } = JSON.parse(inspected);
      expect(config).toMatchObject({ Labels: { version: 'v1.2' }, ExposedPorts: { '8080/tcp': {} } });
      expect(config.Env).toEqual(expect.arrayContaining(['PORT=8080', 'MODE=two words']));
    });

    it.each([
      // A list of words needs no shell, so that the smallest base will do.
      ['CMD ./hello', 'scratch', ['CMD ["/usr/local/bin/hello"]']],
      ['CMD ./hello --port 80', 'scratch', ['CMD ["/usr/local/bin/hello", "--port", "80"]']],
      ['CMD exec /src/hello -v', 'scratch', ['CMD ["/usr/local/bin/hello", "-v"]']],
      ['CMD ["hello", "./hello"]', 'scratch', ['CMD ["/usr/local/bin/hello", "./hello"]']],
      ['ENTRYPOINT ["/src/hello"]', 'scratch', ['ENTRYPOINT ["/usr/local/bin/hello"]']],
    ])('starts the program as %s did', async (command, base, expected) => {
      const path = command.includes('"hello"') ? ['ENV PATH=/src:/bin'] : [];
      const cwd = project({ Dockerfile: making(...path, command) });
      const result = await proposed(cwd);
      expect(result.base).toBe(base);
      const last = linesOf(result.dockerfile).filter((line) => /^(?:CMD|ENTRYPOINT)/.test(line));
      expect(last).toEqual(expected);
      await sizeOf(cwd, 'started', result.dockerfile);
      expect(await starts('started')).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    it('keeps the shell of a command that needs one, and a base that has it', async () => {
      const cwd = project({ Dockerfile: making('CMD ./hello && echo "and $HOME"') });
      const result = await proposed(cwd);
      expect(result.base).toBe('alpine');
      expect(linesOf(result.dockerfile).at(-1)).toBe('CMD /usr/local/bin/hello && echo "and $HOME"');
      await sizeOf(cwd, 'shell', result.dockerfile);
      expect(await starts('shell')).toMatchObject({ code: 0, stdout: 'hello world\nand /root\n' });
    });

    it('does not make root of a user whom the new base does not know', async () => {
      const cwd = project({
        Dockerfile: making('RUN echo app:x:1234:2345::/:/bin/sh >> /etc/passwd', 'USER app', 'CMD ./hello'),
      });
      const { dockerfile, base } = await proposed(cwd);
      expect(base).toBe('scratch');
      expect(linesOf(dockerfile).slice(-4)).toEqual([
        'FROM scratch',
        'USER 1234:2345',
        'COPY --from=build /src/hello /usr/local/bin/hello',
        'CMD ["/usr/local/bin/hello"]',
      ]);
      await sizeOf(cwd, 'user', dockerfile);
      expect(await starts('user')).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    it('keeps the name of a stage, and takes none that a base has', async () => {
      const cwd = project({ Dockerfile: making().replace('FROM alpine', 'FROM alpine AS Compiling') });
      const { dockerfile } = await proposed(cwd);
      expect(linesOf(dockerfile)).toEqual([
        'FROM alpine AS Compiling',
        'WORKDIR /src',
        'RUN --mount=target=/in cp /in/made hello',
        'FROM scratch',
        'COPY --from=compiling /src/hello /usr/local/bin/hello',
        'CMD ["/usr/local/bin/hello"]',
      ]);
    });

    it('refuses a Dockerfile that has several stages, and runs nothing of it', async () => {
      const cwd = project({ Dockerfile: 'FROM alpine AS a\nRUN exit 9\nFROM alpine\nCOPY --from=a / /\n' });
      const ran = await slim(cwd);
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toMatch(/^ocislim: Dockerfile has 2 stages already$/m);
      expect(ran.stderr).not.toContain('RUN exit 9');
    });

    it('lists the programs where there are several, and takes the one of --artifact', async () => {
      const cwd = project({ Dockerfile: making('RUN cp hello /usr/local/bin/other && cp hello second') });
      const ran = await slim(cwd);
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toMatch(
        /^ocislim: this Dockerfile makes 3 programs: \/src\/hello, \/src\/second, \/usr\/local\/bin\/other$/m,
      );
      expect(ran.stderr).toMatch(/^hint: .*--artifact PATH/m);
      for (const [given, path] of [
        ['second', '/src/second'],
        ['/usr/local/bin/other', '/usr/local/bin/other'],
      ] as const) {
        const { artifact, dockerfile } = await proposed(cwd, '--artifact', given);
        expect(artifact).toBe(path);
        expect(dockerfile).toContain(`COPY --from=build ${path} /usr/local/bin/`);
      }
      const missing = await slim(cwd, '--artifact', 'nowhere');
      expect(missing.code).toBe(2);
      expect(missing.stderr).toMatch(/^ocislim: --artifact nowhere: the image has no such file$/m);
    });

    it('says so where no program is made', async () => {
      const ran = await slim(project({ Dockerfile: 'FROM alpine\nRUN echo x > /x\n' }));
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(/^ocislim: no compiled program is what this Dockerfile makes$/m);
    });

    it('starts the program on a base that has an entrypoint of its own', async () => {
      const cwd = project({ Dockerfile: making('CMD ["./hello", "-v"]') });
      await sizeOf(cwd, 'entry', 'FROM alpine\nENTRYPOINT ["/bin/echo"]\nUSER 1000\n');
      const { dockerfile } = await proposed(cwd, '--base', 'entry');
      expect(linesOf(dockerfile).slice(-2)).toEqual(['ENTRYPOINT []', 'CMD ["/usr/local/bin/hello", "-v"]']);
      await sizeOf(cwd, 'on-entry', dockerfile);
      expect(await starts('on-entry')).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    it('takes the base of --base', async () => {
      const cwd = project({ Dockerfile: making() });
      const { base, dockerfile } = await proposed(cwd, '--base', 'alpine');
      expect(base).toBe('alpine');
      expect(dockerfile).toContain('\nFROM alpine\n');
      await sizeOf(cwd, 'on-alpine', dockerfile);
      expect(await starts('on-alpine')).toMatchObject({ code: 0, stdout: 'hello world\n' });
    });

    it('puts a program that needs glibc on Debian', async () => {
      const cwd = project({
        Dockerfile: 'FROM gcc\nCOPY main.c /src/\nWORKDIR /src\nRUN gcc -o hello main.c\nCMD ["./hello"]\n',
        'main.c': '#include <stdio.h>\nint main(void) { puts("hello from C"); return 0; }\n',
      });
      const { base, dockerfile } = await proposed(cwd);
      expect(base).toBe('debian:stable-slim');
      await sizeOf(cwd, 'glibc', dockerfile);
      expect(await starts('glibc')).toMatchObject({ code: 0, stdout: 'hello from C\n' });
      const refused = await slim(cwd, '--base', 'alpine');
      expect(refused).toMatchObject({ code: 6, stdout: '' });
      expect(refused.stderr).toMatch(/^ocislim: \/src\/hello would start on none of them \(on alpine: /m);
    });
  },
  asRoot,
);
