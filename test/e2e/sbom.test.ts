import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must, packed, root, succeeded } from '../support/cli.ts';
import { cyclonedxErrors } from '../support/cyclonedx.ts';
import { startRegistry } from '../support/docker-registry.ts';
import { describeWithPeers } from '../support/peers.ts';
import { bytesOf } from '../support/streams.ts';
import { tempDir } from '../support/temp.ts';

interface Component {
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
}

interface Env {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

function place(): Env {
  return { cwd: tempDir(), env: { OCISLIM_HOME: tempDir(), HOME: tempDir() } };
}

async function componentsOf(image: string, type: string, options: Env): Promise<readonly Component[]> {
  const printed = await succeeded(['sbom', image, '--format', 'cyclonedx'], options);
  const { components } = JSON.parse(printed) as { components: readonly Component[] };
  return components.filter(({ purl }) => purl?.startsWith(`pkg:${type}/`));
}

const lines = (text: string) => text.split('\n').filter(Boolean).sort();

/** Files of this machine at the same places in a folder, with links followed. */
function copyFromHost(folder: string, paths: readonly string[]): void {
  for (const path of paths) execFileSync('cp', ['--parents', '-L', path, folder], { cwd: '/' });
}

/** A program and what it is linked with. */
function linked(program: string): readonly string[] {
  const libraries = execFileSync('ldd', [program]).toString().match(/\/\S+/g) ?? [];
  return [program, ...libraries];
}

describeWithPeers('the packages of a base', ['bwrap', 'dpkg-query', 'rpm', 'rpmbuild'], () => {
  it('of Alpine are those that apk lists inside', async () => {
    const options = place();
    const [amd64] = alpineBases();
    if (amd64 === undefined) throw new Error('no base');
    writeBaseLayout(join(options.cwd, 'alpine'), amd64);
    await succeeded(['copy', 'oci:alpine', 'store:alpine:3'], options);
    const found = await componentsOf('store:alpine:3', 'apk', options);
    // A stand-in for Alpine has no apk, and no packages.
    const isReal = process.env['OCISLIM_TEST_BASES'] !== undefined;
    const apk = isReal ? await succeeded(['run', 'alpine:3', 'apk', 'info', '-v'], options) : '';
    expect(found.map(({ name, version }) => `${name}-${version}`).sort()).toEqual(lines(apk));
    expect(found.length > 0).toBe(isReal);
  });

  it('of Debian are those that dpkg-query lists inside', async () => {
    const options = place();
    const files = join(options.cwd, 'root');
    mkdirSync(files);
    copyFromHost(files, [...linked('/usr/bin/dpkg-query'), '/etc/os-release', '/var/lib/dpkg/status']);
    writeFileSync(join(options.cwd, 'Dockerfile'), 'FROM scratch\nCOPY root/ /\n');
    await succeeded(['build', '.', '-t', 'debian:1', '-q', '--check', 'off'], options);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
    const format = '${db:Status-Status} ${Package} ${Version} ${Architecture}\n';
    const inside = await succeeded(['run', 'debian:1', '/usr/bin/dpkg-query', '-W', '-f', format], options);
    const installed = lines(inside).flatMap((line) => /^installed (.*)$/.exec(line)?.[1] ?? []);
    const found = await componentsOf('debian:1', 'deb', options);
    const told = found.map(({ name, version, purl = '' }) => {
      const arch = new URLSearchParams(purl.slice(purl.indexOf('?'))).get('arch');
      return `${name} ${version} ${arch}`;
    });
    expect(told.sort()).toEqual(installed);
    expect(installed.length).toBeGreaterThan(100);
  });

  it('of an rpm distribution are those that rpm lists', async () => {
    const options = place();
    const top = join(options.cwd, 'rpm');
    const files = join(options.cwd, 'root');
    mkdirSync(join(files, 'var/lib/rpm'), { recursive: true });
    mkdirSync(join(files, 'etc'));
    writeFileSync(join(files, 'etc/os-release'), 'ID=fedora\nVERSION_ID=40\n');
    mkdirSync(top);
    const rpm = (args: readonly string[]) =>
      must('rpm', ['--root', files, '--dbpath', '/var/lib/rpm', '--define', '_db_backend sqlite', ...args]);
    await rpm(['--initdb']);
    for (const [name, size] of [
      ['small', 10],
      // Longer than a page of the database.
      ['large', 50_000],
    ] as const) {
      const spec = `Name: ${name}\nVersion: 1.0\nRelease: 3.fc40\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\n${'x'.repeat(size)}\n%files\n`;
      writeFileSync(join(top, `${name}.spec`), spec);
      await must('rpmbuild', ['-bb', '--quiet', '--define', `_topdir ${top}`, join(top, `${name}.spec`)]);
    }
    const made = readdirSync(join(top, 'RPMS/noarch')).map((file) => join(top, 'RPMS/noarch', file));
    await rpm(['-i', '--nodeps', ...made]);
    const listed = await rpm(['-qa', '--qf', '%{NAME} %{VERSION}-%{RELEASE}\\n']);
    writeFileSync(join(options.cwd, 'Dockerfile'), 'FROM scratch\nCOPY root/ /\n');
    await succeeded(['build', '.', '-t', 'fedora:1', '-q', '--check', 'off'], options);
    const found = await componentsOf('fedora:1', 'rpm', options);
    expect(found.map(({ name, version }) => `${name} ${version}`).sort()).toEqual(lines(listed));
    expect(found.map(({ purl }) => purl)).toContain(
      'pkg:rpm/fedora/small@1.0-3.fc40?arch=noarch&distro=fedora-40&upstream=small-1.0-3.fc40.src.rpm',
    );
  });
});

describeWithPeers('the modules of a Go program', ['go'], () => {
  /** A program with a dependency that is beside it, and one that has taken another's place. */
  function writeProgram(folder: string): void {
    const write = (path: string, text: string) => {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    write(
      'go.mod',
      'module example.com/app\n\ngo 1.21\n\nrequire example.com/lib v1.2.3\n\nreplace example.com/lib => ./lib\n',
    );
    write('main.go', 'package main\n\nimport "example.com/lib"\n\nfunc main() { println(lib.Name) }\n');
    write('lib/go.mod', 'module example.com/lib\n\ngo 1.21\n');
    write('lib/lib.go', 'package lib\n\nconst Name = "lib"\n');
  }

  it.each(['hello-go', 'replaced'])('%s are those that go version -m lists', async (name) => {
    const options = place();
    const source = join(options.cwd, name);
    if (name === 'hello-go') cpSync(join(root, 'testdata/hello-go'), source, { recursive: true });
    else writeProgram(source);
    await packed(['pack', name, '--toolchain', 'host', '-t', 'app:1', '-o', 'oci:out'], options);
    const binary = join(options.cwd, 'binary');
    const build = ['build', '-trimpath', '-buildvcs=false', '-o', binary, '.'];
    await must('go', build, { cwd: source, env: { CGO_ENABLED: '0', GOFLAGS: '-mod=mod' } });
    const listed = await must('go', ['version', '-m', binary]);
    const toolchain = /: go(\S+)/.exec(listed)?.[1];
    const modules = listed
      .split('\n')
      .map((line) => line.split('\t').slice(1))
      .flatMap(([word, path = '', version = '']) =>
        word === 'mod' || word === 'dep' ? [[path, version]] : [],
      );
    const found = await componentsOf('app:1', 'golang', options);
    // What stands at the place of a module without a version of its own has none.
    const replaced = listed.includes('\t=>\t./lib') ? 'example.com/lib' : '';
    const expected = modules.map(([path, version]) =>
      version === '(devel)' || path === replaced ? [path, undefined] : [path, version],
    );
    expect(found.map(({ name: path, version }) => [path, version]).sort()).toEqual(
      [...expected, ['stdlib', toolchain]].sort(),
    );
  });
});

describeWithPeers('a registry without the referrers API', ['docker-registry', 'git'], () => {
  it('has the documents under the fallback tag, and they say nothing of secrets', async () => {
    const registry = await startRegistry();
    try {
      const { cwd, env } = place();
      const canaries = { argument: 'canary-argument', secret: 'canary-secret', remote: 'canary-remote' };
      const git = (...args: readonly string[]) =>
        must('git', ['-c', 'user.name=me', '-c', 'user.email=me@example.com', ...args], { cwd, env });
      writeFileSync(
        join(cwd, 'Dockerfile'),
        'FROM scratch\nARG API_TOKEN\nARG PLAIN\nCOPY file /\nLABEL plain=$PLAIN\n',
      );
      writeFileSync(join(cwd, 'file'), 'content');
      await git('init', '-q');
      await git('add', '.');
      await git('commit', '-q', '-m', 'first');
      await git('remote', 'add', 'origin', `https://me:${canaries.remote}@example.com/app.git`);
      const head = (await git('rev-parse', 'HEAD')).trim();
      const tag = `${registry.host}/me/app:1`;
      const options = { cwd, env: { ...env, MY_SECRET: canaries.secret } };
      const result = await packed(
        ['build', '.', '-t', tag, '--push', '--sbom', 'spdx', '--provenance', '--provenance-file', 'p.json']
          .concat(['--sbom-dir', 'sbom', '--build-arg', `API_TOKEN=${canaries.argument}`])
          .concat(['--build-arg', `PLAIN=seen-${canaries.secret}`, '--secret', 'id=deploy,env=MY_SECRET'])
          .concat(['--label', 'about=nothing']),
        options,
      );
      const manifest = async (reference: string) => {
        const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
        const answer = await fetch(`http://${registry.host}/v2/me/app/manifests/${reference}`, {
          headers: { accept },
        });
        expect(answer.status).toBe(200);
        return (await answer.json()) as {
          readonly manifests: readonly { readonly digest: string; readonly artifactType: string }[];
          readonly layers: readonly { readonly digest: string; readonly mediaType: string }[];
          readonly subject: { readonly digest: string };
        };
      };
      const { manifests } = await manifest(result.digest.replace(':', '-'));
      expect(manifests.map(({ artifactType }) => artifactType)).toEqual([
        'application/spdx+json',
        'application/vnd.in-toto+json',
      ]);
      const documents: string[] = [];
      for (const { digest } of manifests) {
        const { layers, subject } = await manifest(digest);
        expect(subject.digest).toBe(result.digest);
        const answer = await fetch(`http://${registry.host}/v2/me/app/blobs/${layers[0]?.digest}`);
        documents.push(await answer.text());
      }
      expect(documents[0]).toBe(readFileSync(join(cwd, 'sbom/app.spdx.json'), 'utf8'));
      expect(documents[1]).toBe(readFileSync(join(cwd, 'p.json'), 'utf8'));
      for (const document of documents)
        for (const canary of Object.values(canaries)) expect(document).not.toContain(canary);
      const { buildDefinition } = JSON.parse(documents[1] ?? '').predicate;
      expect(buildDefinition.externalParameters).toMatchObject({
        buildArgs: { API_TOKEN: '***', PLAIN: 'seen-***' },
        secrets: ['deploy'],
        labels: { about: 'nothing' },
      });
      expect(buildDefinition.resolvedDependencies).toContainEqual({
        name: 'repository',
        uri: 'git+https://example.com/app',
        digest: { gitCommit: head },
      });
    } finally {
      await registry.stop();
    }
  });
});

describeWithPeers('documents', ['mvn', 'go'], () => {
  let spdxErrors: (document: unknown) => readonly unknown[];

  // SPDX's own schema comes with its Java tools.
  beforeAll(async () => {
    const folder = tempDir();
    const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
    const artifact = '-Dartifact=org.spdx:tools-java:2.0.1';
    await must('mvn', ['-q', '-B', plugin, artifact, `-DoutputDirectory=${folder}`], { cwd: folder });
    const zip = await fromBufferPromise(readFileSync(join(folder, 'tools-java-2.0.1.jar')));
    let schema: object | undefined;
    for await (const member of zip.eachEntry()) {
      if (member.fileName !== 'resources/spdx-schema-v2.3.json') continue;
      schema = JSON.parse((await bytesOf(await zip.openReadStreamPromise(member))).toString());
    }
    if (schema === undefined) throw new Error('no schema of SPDX 2.3');
    const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
    spdxErrors = (document) => (validate(document) ? [] : (validate.errors ?? []));
  });

  it('validate against the official schemas, and are the same in another store and folder', async () => {
    const made: string[][] = [];
    for (let time = 0; time < 2; time++) {
      const options = place();
      const [amd64] = alpineBases();
      if (amd64 === undefined) throw new Error('no base');
      writeBaseLayout(join(options.cwd, 'alpine'), amd64);
      cpSync(join(root, 'testdata/hello-go'), join(options.cwd, 'app'), { recursive: true });
      for (const format of ['spdx', 'cyclonedx']) {
        const pack = ['pack', 'app', '--toolchain', 'host', '--base', 'oci:alpine', '-o', `oci:${format}`];
        await packed(
          [...pack, '--sbom', format, '--sbom-dir', 'docs', '--provenance-file', 'docs/p.json'],
          options,
        );
      }
      const names = readdirSync(join(options.cwd, 'docs')).sort();
      expect(names).toEqual(['hello.cdx.json', 'hello.spdx.json', 'p.json']);
      made.push(names.map((name) => readFileSync(join(options.cwd, 'docs', name), 'utf8')));
    }
    expect(made[1]).toEqual(made[0]);
    const [cyclonedx, spdx] = (made[0] ?? []).map((text) => JSON.parse(text));
    expect(cyclonedxErrors(cyclonedx)).toEqual([]);
    expect(spdxErrors(spdx)).toEqual([]);
    expect(spdxErrors({ ...spdx, SPDXID: undefined, packages: [{}] })).not.toEqual([]);
  });
});

describe('ocislim sbom', () => {
  it('prints the same document that pack has attached', async () => {
    const options = place();
    cpSync(join(root, 'testdata/hello'), join(options.cwd, 'hello'));
    await packed(['pack', 'hello', '-o', 'oci:out', '--sbom', 'cyclonedx', '--sbom-dir', '.'], options);
    const printed = await succeeded(['sbom', 'oci:out', '--format', 'cyclonedx'], options);
    expect(printed).toBe(readFileSync(join(options.cwd, 'hello.cdx.json'), 'utf8'));
  });
});
