import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alpineBases, debianBase, javaBase, writeBaseLayout, zonesBase } from '../support/bases.ts';
import { must, ocislim, packed, root, run, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const BASES = ['scratch', 'static', 'oci:alpine', 'oci:debian'];

const C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n';
const WITH_LIBRARY =
  '#include <stdio.h>\nextern const char *word(void);\nint main(void) { puts(word()); return 0; }\n';
const CPP =
  '#include <iostream>\n#include <string>\nint main() { std::cout << std::string("hello") << std::endl; }\n';
const CGO =
  'package main\n\n// #include <stdio.h>\n// static void hello(void) { puts("hello"); fflush(stdout); }\nimport "C"\n\nfunc main() { C.hello() }\n';
const JAVA = 'class App { public static void main(String[] args) { System.out.println("hello"); } }\n';
const GO = 'package main\n\nfunc main() { println("hello") }\n';
const GO_USES =
  'package main\n\nimport (\n\t"crypto/x509"\n\t"fmt"\n\t"time"\n)\n\nfunc main() {\n\tpool, err := x509.SystemCertPool()\n\t_, zone := time.LoadLocation("Europe/Berlin")\n\tfmt.Print(err == nil && !pool.Equal(x509.NewCertPool()), " ", zone == nil)\n}\n';
/** Needs a version that this machine's C library does not define. */
const FUTURE =
  '#include <stdio.h>\nextern int future(void);\nint main(void) { return future() ? 0 : puts("hello") < 0; }\n';

/** Programs by name, each with what goes into the image beside it. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'c-glibc': [],
  'c-static': [],
  'c-static-pie': [],
  'c-musl': [],
  'c-musl-static': [],
  cpp: [],
  go: [],
  script: [],
  'script-env': [],
  'script-bash': [],
  'script-windows': [],
  'c-origin': ['--add', 'libword.so:/usr/local/lib/libword.so'],
  'c-origin-without': [],
  'c-future': ['--add', 'old/libfuture.so:/usr/local/lib/libfuture.so'],
  'go-cgo': [],
  rust: [],
  'go-386': ['--platform', 'linux/amd64'],
  'go-arm64': ['--platform', 'linux/amd64'],
  'app.jar': [],
  'app-new.jar': [],
  'script-user': ['--user', '1000'],
  'script-stranger': ['--user', 'stranger'],
};
/** Programs that lack nothing but libraries, with more arguments. */
const DYNAMIC: Readonly<Record<string, readonly string[]>> = {
  'c-glibc': [],
  'c-musl': [],
  cpp: [],
  'go-cgo': [],
  rust: [],
  'c-origin': ['--add', 'libword.so:/usr/local/lib/libword.so'],
  // Its library lies beside it, where `$ORIGIN` leads.
  'bin/c-moved': [],
};
/** All that the matrix is to tell. */
const VERDICTS = [
  'starts',
  'interpreter-missing',
  'library-missing',
  'symbol-version-missing',
  'script-interpreter-missing',
  'script-line-ends',
  'platform-mismatch',
  'entrypoint-missing',
  'java-version',
  'user-unknown',
];
/** What is looked at on a base with Java, too. */
const JARS = new Set(['app.jar', 'app-new.jar']);

describeWithPeers(
  'the verdict on a program',
  [
    'gcc',
    'g++',
    'musl-gcc',
    'go',
    'dockerd',
    'docker',
    'docker-registry',
    'umoci',
    'bwrap',
    'rustc',
    'javac',
    'jlink',
  ],
  () => {
    let folder: string;
    let env: NodeJS.ProcessEnv;
    let docker: DockerEngine;
    let registry: DockerRegistry;
    beforeAll(async () => {
      folder = tempDir();
      env = { OCISLIM_HOME: tempDir(), HOME: tempDir() };
      await compile(folder);
      const [amd64] = alpineBases();
      if (amd64 === undefined) throw new Error('no base');
      writeBaseLayout(join(folder, 'alpine'), amd64);
      writeBaseLayout(join(folder, 'debian'), debianBase());
      writeBaseLayout(join(folder, 'java'), javaBase());
      writeBaseLayout(join(folder, 'zones'), zonesBase());
      docker = await startDocker();
      registry = await startRegistry();
    });
    afterAll(async () => {
      await docker?.stop();
      await registry?.stop();
    });

    it('is what happens when it is started', async () => {
      const rows: string[] = [];
      const wrong: string[] = [];
      for (const [program, more] of Object.entries(PROGRAMS)) {
        for (const [at, base] of [...BASES, ...(JARS.has(program) ? ['oci:java'] : [])].entries()) {
          const name = `check-${program}-${at}:1`;
          const args = ['pack', `./${program}`, '--base', base, '-t', name, '--compression', 'none', ...more];
          const { check } = await packed([...args, '--check', 'warn', '-o', 'image.tar'], {
            cwd: folder,
            env,
          });
          await docker.docker(['load', '-q', '-i', join(folder, 'image.tar')]);
          const ran = await run('docker', ['run', '--rm', '--network', 'none', name], { env: docker.env });
          await docker.docker(['rmi', '-f', name]);
          const [says, starts] = [
            !check.some(({ level }) => level === 'error'),
            ran.code === 0 && `${ran.stdout}${ran.stderr}`.includes('hello'),
          ];
          rows.push(
            `${program.padEnd(18)} ${base.padEnd(12)} ${says ? 'starts' : (check.find(({ level }) => level === 'error')?.rule ?? '')}`,
          );
          if (says !== starts) wrong.push(`${rows.at(-1)}, but: exit ${ran.code} ${ran.stderr}`);
        }
      }
      console.log(rows.join('\n'));
      expect(wrong).toEqual([]);
      // Else it would be no matrix.
      for (const verdict of VERDICTS) expect(rows.join('\n')).toContain(verdict);
    }, 600_000);

    it('becomes a yes with --with-libs, wherever a library was all that was missing', async () => {
      const rows: string[] = [];
      for (const [program, more] of Object.entries(DYNAMIC)) {
        for (const base of ['scratch', 'static']) {
          const tag = `with-${basename(program)}-${base}:1`;
          const args = ['pack', `./${program}`, '--base', base, ...more, '--with-libs', '-t', tag];
          const { check } = await packed([...args, '-o', 'image.tar'], { cwd: folder, env });
          await docker.docker(['load', '-q', '-i', join(folder, 'image.tar')]);
          const ran = await run('docker', ['run', '--rm', '--network', 'none', tag], { env: docker.env });
          const errors = check.filter(({ level }) => level === 'error').map(({ rule }) => rule);
          rows.push([tag, ran.code, ran.stdout, ...errors].join(' '));
        }
      }
      const expected = Object.keys(DYNAMIC).flatMap((program) =>
        ['scratch', 'static'].map((base) => `with-${basename(program)}-${base}:1 0 hello\n`),
      );
      expect(rows).toEqual(expected);
    }, 120_000);

    it.each(Object.keys(DYNAMIC))('with --with-libs adds no file that %s does not need', async (program) => {
      const [name, bundle] = [basename(program), `bundle-${basename(program)}`];
      const layout = ['-t', 'files:1', '-o', `oci:files-${name}`];
      const args = ['pack', `./${program}`, '--base', 'scratch', ...(DYNAMIC[program] ?? []), '--with-libs'];
      await succeeded([...args, ...layout], { cwd: folder, env });
      await must('umoci', ['unpack', '--rootless', '--image', `files-${name}:1`, bundle], { cwd: folder });
      const rootfs = join(folder, bundle, 'rootfs');
      const list = await must('find', ['.', '-type', 'f', '-o', '-type', 'l'], { cwd: rootfs });
      const files = list.trim().split('\n').sort();
      const command = `/usr/local/bin/${name}`;
      const starts = async (tree: string) => {
        const sandbox = ['--bind', tree, '/', '--proc', '/proc', '--clearenv'];
        return (await run('bwrap', [...sandbox, command])).code === 0;
      };
      expect([files.length > 1, await starts(rootfs)]).toEqual([true, true]);
      for (const path of files) {
        const trial = tempDir();
        await must('cp', ['-a', `${rootfs}/.`, trial]);
        rmSync(join(trial, path));
        expect([path, await starts(trial)]).toEqual([path, false]);
      }
    });

    it('with --libs-from an image takes the libraries of that image', async () => {
      const args = ['pack', './cpp', '--base', 'scratch', '--with-libs', '-o', 'oci:from-image', '--dry-run'];
      const { stderr } = await ocislim([...args, '--libs-from', 'oci:debian'], { cwd: folder, env });
      const listed = await must('sh', ['-c', "ldd cpp | grep -o '/[^ ]*'"], { cwd: folder });
      const [, brought] = /brought along from oci:debian: (.*)/.exec(stderr) ?? [];
      expect(brought?.split(', ').sort()).toEqual(listed.trim().split('\n').sort());
      const failed = await ocislim([...args, '--libs-from', 'oci:alpine'], { cwd: folder, env });
      expect(failed.code).not.toBe(0);
      expect(failed.stderr).toMatch(
        /needs \/lib64\/ld-linux-x86-64\.so\.2, .*which oci:alpine does not have/,
      );
    });

    it('with --with-certs and --with-tzdata has what it was warned about', async () => {
      const pack = async (...args: string[]) => {
        const all = ['pack', './go-uses', '--base', 'scratch', '-t', 'uses:1', '-o', 'image.tar', ...args];
        const { check } = await packed(all, { cwd: folder, env });
        await docker.docker(['load', '-q', '-i', join(folder, 'image.tar')]);
        const ran = await run('docker', ['run', '--rm', '--network', 'none', 'uses:1'], { env: docker.env });
        return [check.map(({ rule }) => rule).filter((rule) => rule.endsWith('-missing')), ran.stdout];
      };
      expect(await pack()).toEqual([['certificates-missing', 'time-zones-missing'], 'false false']);
      const zones = ['--with-tzdata', '--libs-from', 'oci:zones'];
      expect(await pack('--with-certs', ...zones)).toEqual([[], 'true true']);
    });

    it('is exit code 6 before anything is pushed', async () => {
      const tag = `${registry.host}/me/c:1`;
      const args = ['pack', './c-glibc', '--base', 'oci:alpine', '-t', tag, '--push', '-o', 'oci:none.oci'];
      const ran = await ocislim(args, { cwd: folder, env });
      expect(ran).toMatchObject({ code: 6, stdout: '' });
      expect(ran.stderr).toMatch(
        /^ocislim: will not start: .*ld-linux-x86-64\.so\.2.*glibc.*\nhint: link it statically/m,
      );
      const json = await ocislim([...args, '--json'], { cwd: folder, env });
      expect(JSON.parse(json.stdout)).toMatchObject({
        error: { code: 'OCISLIM_CHECK_FAILED' },
        check: [{ rule: 'interpreter-missing', level: 'error' }],
      });
      const written = registry.requests().filter(({ method }) => method === 'PUT' || method === 'PATCH');
      expect(written).toEqual([]);
      await must('sh', ['-c', '! test -e none.oci'], { cwd: folder });
    });

    it('reads no layer of a base that was looked at before', async () => {
      const options = { cwd: folder, env: { ...env, OCISLIM_HOME: tempDir() } };
      await succeeded(['pack', './c-musl', '--base', 'oci:alpine', '-t', 'a:1'], options);
      const layers = await must('sh', ['-c', 'ls -S blobs/sha256 | head -n 1'], {
        cwd: options.env.OCISLIM_HOME,
      });
      const layer = join(options.env.OCISLIM_HOME, 'blobs/sha256', layers.trim());
      // What cannot be read right any more would be noticed by whoever reads it.
      chmodSync(layer, 0o644);
      const { size } = await import('node:fs').then(({ statSync }) => statSync(layer));
      writeFileSync(layer, Buffer.alloc(size));
      const { check } = await packed(
        ['pack', './c-glibc', '--base', 'oci:alpine', '--dry-run', '--check', 'warn'],
        options,
      );
      expect(check.map(({ rule }) => rule)).toEqual(['interpreter-missing']);
    });
  },
  asRoot,
);

async function compile(folder: string): Promise<void> {
  const sources = {
    'c.c': C,
    'word.c': 'const char *word(void) { return "hello"; }\n',
    'with.c': WITH_LIBRARY,
    'cpp.cc': CPP,
    'go.go': GO,
    'cgo.go': CGO,
    'uses.go': GO_USES,
    'rust.rs': 'fn main() { println!("hello"); }\n',
    'App.java': JAVA,
  };
  for (const [name, content] of Object.entries(sources)) writeFileSync(join(folder, name), content);
  const sh = (command: string) =>
    must('sh', ['-c', command], {
      cwd: folder,
      env: { GOCACHE: join(folder, 'cache'), GOFLAGS: '-mod=mod' },
    });
  writeFileSync(join(folder, 'script'), '#!/bin/sh\necho hello\n');
  for (const name of ['script-user', 'script-stranger'])
    copyFileSync(join(folder, 'script'), join(folder, name));
  writeFileSync(join(folder, 'script-env'), '#!/usr/bin/env sh\necho hello\n');
  writeFileSync(join(folder, 'script-bash'), '#!/bin/bash\necho hello\n');
  writeFileSync(join(folder, 'script-windows'), '#!/bin/sh\r\necho hello\r\n');
  await sh('gcc -o c-glibc c.c');
  await sh('gcc -static -o c-static c.c');
  await sh('gcc -static-pie -o c-static-pie c.c');
  await sh('musl-gcc -o c-musl c.c');
  await sh('musl-gcc -static -o c-musl-static c.c');
  await sh('g++ -o cpp cpp.cc');
  await sh('CGO_ENABLED=0 go build -o go go.go');
  await sh('CGO_ENABLED=1 go build -o go-cgo cgo.go');
  await sh('CGO_ENABLED=0 go build -o go-uses uses.go');
  await sh('CGO_ENABLED=0 GOARCH=386 go build -o go-386 go.go');
  await sh('CGO_ENABLED=0 GOARCH=arm64 go build -o go-arm64 go.go');
  await sh('rustc -o rust rust.rs');
  await sh('javac --release 11 App.java && jar cfe app.jar App App.class');
  // As if compiled for a Java that nobody has yet.
  const compiled = readFileSync(join(folder, 'App.class'));
  compiled.writeUInt16BE(44 + 99, 6);
  writeFileSync(join(folder, 'App.class'), compiled);
  await sh('jar cfe app-new.jar App App.class');
  await sh('gcc -shared -fPIC -o libword.so word.c');
  await sh("gcc -o c-origin with.c -L. -lword -Wl,-rpath,'$ORIGIN/../lib'");
  copyFileSync(join(folder, 'c-origin'), join(folder, 'c-origin-without'));
  for (const place of ['bin', 'lib']) mkdirSync(join(folder, place));
  copyFileSync(join(folder, 'c-origin'), join(folder, 'bin/c-moved'));
  copyFileSync(join(folder, 'libword.so'), join(folder, 'lib/libword.so'));
  // A library whose newer build defines one version more than the one that is there when the program starts.
  mkdirSync(join(folder, 'old'));
  writeFileSync(join(folder, 'future.c'), 'int future(void) { return 0; }\n');
  writeFileSync(join(folder, 'past.c'), 'int past(void) { return 0; }\n');
  writeFileSync(join(folder, 'new.map'), 'F_1.0 { global: past; };\nF_2.0 { global: future; } F_1.0;\n');
  writeFileSync(join(folder, 'old.map'), 'F_1.0 { global: past; };\n');
  writeFileSync(join(folder, 'uses.c'), FUTURE);
  await sh(
    'gcc -shared -fPIC -o libfuture.so future.c past.c -Wl,--version-script=new.map -Wl,-soname,libfuture.so',
  );
  await sh(
    'gcc -shared -fPIC -o old/libfuture.so past.c -Wl,--version-script=old.map -Wl,-soname,libfuture.so',
  );
  await sh("gcc -o c-future uses.c -L. -lfuture -Wl,-rpath,'$ORIGIN/../lib'");
  rmSync(join(folder, 'c.c'));
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
}
