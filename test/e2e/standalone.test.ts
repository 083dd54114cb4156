import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { getAttributeSync } from '@napi-rs/xattr';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PackResult } from '../../src/pack/request.ts';
import { alpineBases, writeBaseLayout, writeLayout } from '../support/bases.ts';
import { must, ocislim, type Ran, root, run, succeeded } from '../support/cli.ts';
import { type DockerRegistry, startRegistry } from '../support/docker-registry.ts';
import { linesToType, pageOf } from '../support/documented.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { buildStandalone } from '../support/standalone.ts';
import { END, member, pax } from '../support/tars.ts';
import { tempDir } from '../support/temp.ts';
import { openTempDir, UID } from '../support/users.ts';

const made = join(root, 'dist/standalone/ocislim');
const built = await buildStandalone();

describeWithPeers(
  'the standalone executable',
  ['docker-registry', 'bwrap', 'proot', 'unshare'],
  () => {
    const bare = tempDir();
    const executable = join(bare, 'ocislim');
    let folder = '';
    let registry: DockerRegistry;

    beforeAll(async () => {
      // Away from this repository, in which it could find what it lacks.
      cpSync(made, executable);
      folder = join(bare, 'work');
      mkdirSync(folder);
      cpSync(join(root, 'testdata/hello'), join(folder, 'hello'));
      registry = await startRegistry();
    });
    afterAll(async () => {
      await registry?.stop();
    });

    /** Where there is no other program, no Node, and no setting. */
    const alone = (args: readonly string[], cwd = folder): Promise<Ran> => {
      const env = ['-i', 'PATH=/nonexistent', `OCISLIM_HOME=${join(bare, 'store')}`];
      return run('/usr/bin/env', [...env, executable, ...args], { cwd });
    };
    const result = (ran: Ran): PackResult => {
      expect(ran).toMatchObject({ code: 0, signal: null });
      return JSON.parse(ran.stdout) as PackResult;
    };
    /** What the package gives for the same command. */
    const reference = async (args: readonly string[], cwd = folder): Promise<PackResult> =>
      result(await ocislim(args, { cwd, node: process.execPath, env: { OCISLIM_HOME: tempDir() } }));

    it('says its version', async () => {
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      expect(await alone(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
    });

    it.each(['gzip', 'zstd', 'none'])('packs what the package packs, with --compression %s', async (name) => {
      const args = ['pack', './hello', '--base', 'static', '--compression', name, '--json'];
      const own = result(await alone([...args, '-o', `oci:${name}`]));
      expect(own.digest).toBe((await reference([...args, '-o', `oci:${name}-reference`])).digest);
      const index = JSON.parse(readFileSync(join(folder, name, 'index.json'), 'utf8'));
      expect(index.manifests[0].digest).toBe(own.digest);
    });

    it('pushes', async () => {
      const tag = `${registry.host}/me/hello:1`;
      const { digest } = result(await alone(['pack', './hello', '-t', tag, '--push', '--json']));
      const { headers } = await fetch(`http://${registry.host}/v2/me/hello/manifests/1`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      expect(headers.get('docker-content-digest')).toBe(digest);
    });

    it('packs on Alpine and pushes as docs/standalone.md says', async () => {
      const cwd = tempDir();
      for (const [index, base] of alpineBases().entries()) writeBaseLayout(join(cwd, `${index}`), base);
      const alpine = `${registry.host}/library/alpine:latest`;
      const env = { OCISLIM_HOME: tempDir() };
      const conf = join(cwd, 'registries.conf');
      await succeeded(['index', 'create', alpine, 'oci:0', 'oci:1', '--push'], { cwd, env });
      writeFileSync(
        conf,
        `[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "${registry.host}"\ninsecure = true\n`,
      );
      cpSync(join(root, 'testdata/hello'), join(cwd, 'hello'));
      mkdirSync(join(cwd, 'dist'));
      symlinkSync(dirname(made), join(cwd, 'dist/standalone'));
      const lines = linesToType(pageOf('docs/standalone.md')).map(({ command }) => command);
      const [line = '', ...others] = lines.filter((each) => each.startsWith('dist/standalone/ocislim '));
      expect(others).toEqual([]);
      const said = await must('bash', ['-c', line.replace('ghcr.io', registry.host)], {
        cwd,
        env: { ...env, CONTAINERS_REGISTRIES_CONF: conf },
      });
      expect(said).toMatch(new RegExp(`^${registry.host}/me/hello:1@sha256:`));
    });

    it('builds a Dockerfile, with names that are not UTF-8', async () => {
      const context = tempDir();
      writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY . /files/\nCMD ["/files/a"]\n');
      writeFileSync(join(context, 'a'), 'a');
      writeFileSync(Buffer.concat([Buffer.from(`${context}/`), Buffer.from([0xff])]), 'bytes');
      const args = ['build', '.', '-t', 'built:1', '--check=off', '--json'];
      const own = result(await alone([...args, '-o', 'oci:own'], context));
      const blobs = join(context, 'own/blobs/sha256');
      const layer = own.platforms[0]?.layers[0]?.digest.slice('sha256:'.length) ?? '';
      // As GNU tar writes it.
      expect(await must('tar', ['-tzf', join(blobs, layer)])).toContain('files/\\377\n');
      await must('rm', ['-r', join(context, 'own')]);
      expect(own.digest).toBe((await reference(args, context)).digest);
    });

    it('takes nothing from the folder that it is started in', async () => {
      const cwd = tempDir();
      const marker = 'require("node:fs").writeFileSync("ran", "");';
      writeFileSync(join(cwd, '.env'), 'OCISLIM_HOME=elsewhere\n');
      writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./preload.js"]\n');
      writeFileSync(join(cwd, 'preload.js'), marker);
      cpSync(join(folder, 'hello'), join(cwd, 'hello'));
      const before = readdirSync(cwd);
      const pack = [executable, 'pack', './hello', '-o', join(bare, 'other.tar')];
      const ran = await run('/usr/bin/env', ['-i', `HOME=${tempDir()}`, ...pack], { cwd });
      expect([ran.code, readdirSync(cwd)]).toEqual([0, before]);
    });

    it('runs an image, whose files keep their extended attributes', async () => {
      const cwd = tempDir();
      const temporary = tempDir();
      const tar = Buffer.concat([
        pax({ 'SCHILY.xattr.user.note': 'ü' }),
        member('hello', readFileSync(join(root, 'testdata/hello')), { mode: 0o755 }),
        END,
      ]);
      writeLayout(join(cwd, 'marked'), 'amd64', [gzipSync(tar)]);
      const store = join(cwd, 'store');
      // The sandbox needs programs of the system, and gets no Node.
      const env = ['-i', 'PATH=/usr/bin:/bin', `OCISLIM_HOME=${store}`, `TMPDIR=${temporary}`];
      const ran = await run('/usr/bin/env', [...env, executable, 'run', '-q', 'oci:marked', '/hello'], {
        cwd,
      });
      expect(ran).toMatchObject({ code: 0, stdout: 'hello world\n' });
      const [chain = ''] = readdirSync(join(store, 'roots'));
      const hello = join(store, 'roots', chain, 'rootfs/hello');
      expect(getAttributeSync(hello, 'user.note')?.toString()).toBe('ü');
      expect(readdirSync(temporary)).toEqual([]);
    });

    it.each(['the standalone executable', 'the package'])(
      'says why no sandbox works where programs are missing and nothing in the store may be executed: %s',
      async (which) => {
        const place = openTempDir();
        for (const name of ['cp', 'proot'])
          symlinkSync((await must('sh', ['-c', `command -v ${name}`])).trim(), join(place, name));
        const mounted = 'mount -t tmpfs -o noexec,mode=1777 tmpfs "$0/store"; cd /; exec "$@"';
        mkdirSync(join(place, 'store'));
        cpSync(made, join(place, 'ocislim'));
        const command =
          which === 'the package'
            ? [process.execPath, join(root, 'bin/ocislim.js')]
            : [join(place, 'ocislim')];
        const user = ['setpriv', '--reuid', `${UID}`, '--regid', `${UID}`, '--clear-groups'];
        const env = ['/usr/bin/env', '-i', `PATH=${place}`, `OCISLIM_HOME=${place}/store`];
        const inside = ['--mount', 'sh', '-c', mounted, place, ...user, ...env, ...command, 'doctor'];
        const ran = await run('unshare', inside);
        expect(ran).toMatchObject({ code: 0, stderr: '' });
        expect(ran.stdout).toMatch(/^warning\s+sandbox .*unshare: it is not installed/m);
        expect(ran.stdout).toMatch(
          /launcher: it may not be executed, as where its file system is mounted noexec/,
        );
      },
    );

    it('ends with the codes of the package', async () => {
      expect((await alone(['pack', '--none'])).code).toBe(2);
      expect((await alone(['inspect', '127.0.0.1:9/none'])).code).toBe(4);
    });
  },
  { met: built.met && asRoot.met, need: built.met ? asRoot.need : built.need },
);
