import { describe, expect, it } from 'vitest';
import { type ContainerConfig, parsePlatform } from '#oci-spec-types';
import { checkImage } from '../../src/check/check.ts';
import { checkSecret, maybeSecret } from '../../src/check/secrets.ts';
import type { Subject } from '../../src/check/subject.ts';
import type { ElfFacts } from '../../src/elf/program.ts';
import type { FileFacts } from '../../src/layer/facts.ts';
import type { TocMember } from '../../src/layer/toc.ts';
import { Tree } from '../../src/rootfs/tree.ts';

const STATIC: ElfFacts = { platform: parsePlatform('linux/amd64') };
const common = { mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 1000 };
const app = (facts: FileFacts, more: Partial<TocMember> = {}): TocMember => {
  return { path: 'app', type: 'file', ...common, facts, ...more };
};
const folder = (path: string, more: Partial<TocMember> = {}): TocMember => {
  return { path, type: 'directory', ...common, ...more };
};
const text = (path: string, content: string): TocMember => {
  return { path, type: 'file', ...common, mode: 0o644, facts: { text: content } };
};

/** Rules and levels of what is found about `/app` among some files. */
async function found(
  members: readonly TocMember[],
  config: ContainerConfig = {},
  more: Partial<Subject> = {},
): Promise<readonly string[]> {
  const tree = new Tree();
  tree.apply({ members });
  const findings = await checkImage({
    tree,
    config: { Entrypoint: ['/app'], ...config },
    platform: parsePlatform('linux/amd64'),
    base: 'the base',
    ...more,
  });
  return findings.map(({ rule, level }) => `${level} ${rule}`);
}

describe('an image', () => {
  it('with a static program starts', async () => {
    expect(await found([app({ elf: STATIC })])).toEqual([]);
  });

  it.each<[string, ContainerConfig, string]>([
    ['no command', { Entrypoint: [] }, 'command-missing'],
    ['a command that is not there', { Entrypoint: ['/none'] }, 'entrypoint-missing'],
    ['a command in no folder of PATH', { Entrypoint: ['app'], Env: ['PATH=/bin'] }, 'entrypoint-missing'],
    ['a folder as its command', { Entrypoint: ['/dir'] }, 'entrypoint-missing'],
    ['a user that is not there', { User: 'me' }, 'user-unknown'],
    ['a group that is not there', { User: '1:us' }, 'user-unknown'],
    ['a user beyond 2^31', { User: '4294967296' }, 'user-unknown'],
  ])('with %s does not start', async (_, config, rule) => {
    expect(await found([app({ elf: STATIC }), folder('dir')], config)).toEqual([`error ${rule}`]);
  });

  it('finds its command in PATH, and below its working folder', async () => {
    const members = [folder('srv'), app({ elf: STATIC }, { path: 'srv/app' })];
    expect(await found(members, { Entrypoint: ['app'], Env: ['PATH=/bin:/srv'] })).toEqual([]);
    expect(await found(members, { Entrypoint: ['./app'], WorkingDir: '/srv' })).toEqual([]);
  });

  it.each<[string, string | undefined]>([
    ['me:x:1000:1000::/:/bin/sh', undefined],
    ['me:x:2147483648:0::/:/bin/sh', 'error user-unknown'],
    ['me:x:-1:0::/:/bin/sh', 'error user-unknown'],
    ['me', 'error user-unknown'],
  ])('with the row %s in its passwd', async (row, expected) => {
    const findings = await found([app({ elf: STATIC }), text('etc/passwd', `${row}\n`)], { User: 'me' });
    expect(findings).toEqual(expected === undefined ? [] : [expected]);
  });

  it('says nothing of a user where passwd is too large to be known, and takes a FIFO for none', async () => {
    const passwd = { path: 'etc/passwd', ...common };
    const config = { User: 'me' };
    expect(await found([app({ elf: STATIC }), { ...passwd, type: 'file', size: 2 ** 30 }], config)).toEqual(
      [],
    );
    const fifo: TocMember = { ...passwd, type: 'fifo' };
    expect(await found([app({ elf: STATIC }), fifo], config)).toEqual(['error user-unknown']);
  });

  it.each<[string, Partial<TocMember>, string, boolean]>([
    ['0644, for root', { mode: 0o644 }, '0', false],
    ['0700, for root', { mode: 0o700 }, '', true],
    ['0700, for another', { mode: 0o700 }, '1000', false],
    ['0700, for its owner', { mode: 0o700, uid: 1000 }, '1000', true],
    ['0710, for its group', { mode: 0o710, gid: 7 }, '1000:7', true],
    ['0705, for its group', { mode: 0o705, gid: 7 }, '1000:7', false],
  ])('whose program is %s', async (_, member, user, starts) => {
    const findings = await found([app({ elf: STATIC }, member)], { User: user });
    expect(findings).toEqual(starts ? [] : ['error not-executable']);
  });

  it('whose program is in a folder that its user may not enter does not start', async () => {
    const members = [folder('root', { mode: 0o700 }), app({ elf: STATIC }, { path: 'root/app' })];
    const config = { Entrypoint: ['/root/app'] };
    expect(await found(members, { ...config, User: '1000' })).toEqual(['error not-executable']);
    expect(await found(members, config)).toEqual([]);
  });

  it.each<[string, string, boolean]>([
    ['linux/arm64', 'linux/amd64', false],
    ['linux/386', 'linux/amd64', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/arm/v6', 'linux/arm/v7', true],
    ['freebsd/amd64', 'linux/amd64', false],
  ])('for %s code on %s', async (own, wanted, starts) => {
    const members = [app({ elf: { platform: parsePlatform(own) } })];
    const findings = await found(members, {}, { platform: parsePlatform(wanted) });
    expect(findings).toEqual(starts ? [] : ['error platform-mismatch']);
  });

  it.each<[string, FileFacts]>([
    ['a damaged program', { format: 'elf' }],
    ['a macOS program', { format: 'mach-o' }],
    ['data', { format: 'unknown' }],
    ['a shared library', { elf: { ...STATIC, isLibrary: true } }],
  ])('whose command is %s does not start', async (_, facts) => {
    expect(await found([app(facts)])).toEqual(['error format-unknown']);
  });

  it('whose script is started by a program for another machine does not start', async () => {
    const shell = app({ elf: { platform: parsePlatform('linux/arm64') } }, { path: 'bin/sh' });
    const script = app({ shebang: { interpreter: '/bin/sh', argument: '' } });
    expect(await found([script, shell])).toEqual(['error platform-mismatch']);
  });
});

describe('a command that is a link', () => {
  const nothing = { needed: [], rpath: [], runpath: [], versionsNeeded: {}, versionsDefined: [] };
  const interpreter = '/lib64/ld-linux-x86-64.so.2';
  const linkage = { ...nothing, needed: ['liba.so'], runpath: ['$ORIGIN/../lib'] };
  const members = [
    app({ elf: STATIC }, { path: interpreter.slice(1) }),
    app({ elf: { ...STATIC, interpreter, linkage } }, { path: 'opt/bin/app' }),
    { ...app({}), path: 'srv/bin/app', type: 'symlink' as const, linkname: '../../opt/bin/app' },
  ];

  it.each([
    ['where the program is', 'opt/lib/liba.so', []],
    ['not where the link is', 'srv/lib/liba.so', ['error library-missing']],
  ])('finds libraries by $ORIGIN %s: %s', async (_, path, expected) => {
    const library = app({ elf: { ...STATIC, isLibrary: true, linkage: nothing } }, { path });
    expect(await found([...members, library], { Entrypoint: ['/srv/bin/app'] })).toEqual(expected);
  });
});

describe('a program that will lack something', () => {
  const using = (...uses: NonNullable<ElfFacts['uses']>) => app({ elf: { ...STATIC, uses } });
  const certificates = { ...app({}), path: 'etc/ssl/certs/ca-certificates.crt' };
  const zone = { ...app({}), path: 'usr/share/zoneinfo/UTC' };

  it.each<[string, readonly TocMember[], ContainerConfig, string | undefined]>([
    ['certificates', [using('certificates')], {}, 'certificates-missing'],
    ['none of them', [using('certificates'), certificates], {}, undefined],
    [
      'the certificates it is told of',
      [using('certificates'), certificates],
      { Env: ['SSL_CERT_FILE=/none', 'SSL_CERT_DIR=/none'] },
      'certificates-missing',
    ],
    ['time zones', [using('time-zones')], {}, 'time-zones-missing'],
    ['no time zones', [using('time-zones'), zone], {}, undefined],
    ['the zone of TZ', [using()], { Env: ['TZ=Europe/Berlin'] }, 'time-zones-missing'],
    ['/tmp', [using('temporary-files')], {}, 'tmp-missing'],
    ['a /tmp it may write to', [using('temporary-files'), folder('tmp')], { User: '1' }, 'tmp-missing'],
    ['no /tmp', [using('temporary-files'), folder('tmp', { mode: 0o1777 })], { User: '1' }, undefined],
    ['its working folder', [using()], { WorkingDir: '/data' }, 'workdir-missing'],
    ['rights for its port', [using()], { User: '1', ExposedPorts: { '80/tcp': {} } }, 'privileged-port'],
    ['none, as root', [using()], { ExposedPorts: { '80/tcp': {} } }, undefined],
    ['to be stripped', [app({ elf: { ...STATIC, debugBytes: 200_000 } })], {}, 'debug-data'],
    ['protection', [using(), app({}, { path: 'su', mode: 0o4755 })], {}, 'setuid'],
    ['more of it', [using(), app({}, { path: 'open', mode: 0o666 })], {}, 'world-writable'],
  ])('%s', async (_, members, config, rule) => {
    expect(await found(members, config)).toEqual(rule === undefined ? [] : [`warn ${rule}`]);
  });
});

describe('a jar', () => {
  const java = app({ elf: STATIC }, { path: 'opt/java/bin/java' });
  const config = { Entrypoint: ['java', '-jar', '/app.jar'], Env: ['PATH=/opt/java/bin'] };
  const jar = { path: '/app.jar', release: 17 };

  it.each([
    ['17.0.2', true],
    ['21', true],
    ['11.0.20', false],
    ['1.8.0_402', false],
  ])('of Java 17 on Java %s', async (version, starts) => {
    const release = text('opt/java/release', `IMPLEMENTOR="x"\nJAVA_VERSION="${version}"\n`);
    expect(await found([java, release], config, { jar })).toEqual(starts ? [] : ['error java-version']);
  });

  it('is not judged where the base does not say which Java it has', async () => {
    expect(await found([java], config, { jar })).toEqual([]);
  });
});

describe('a secret', () => {
  const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n';
  it.each<[string, string, 'error' | 'warn' | undefined]>([
    ['etc/tls/server.key', key, 'error'],
    ['root/.ssh/id_ed25519', key.replace('RSA', 'OPENSSH'), 'error'],
    ['app/node_modules/x/test/key.pem', key, 'warn'],
    ['etc/ssl/cert.pem', '-----BEGIN CERTIFICATE-----\n', undefined],
    ['app/.env', 'A=1', 'error'],
    ['app/.env.production', 'A=1', 'error'],
    ['app/.env.example', 'A=', undefined],
    ['root/.aws/credentials', '[default]', 'error'],
    ['app/sa.json', '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----"}', 'error'],
    ['app/package.json', '{"name": "x"}', undefined],
    ['app/.npmrc', '//registry.example/:_authToken=abc', 'error'],
    ['app/.npmrc', `//registry.example/:_authToken=\${TOKEN}`, undefined],
  ])('%s', (path, content, level) => {
    expect(maybeSecret(path, content.length) ? checkSecret(path, content)?.level : undefined).toBe(level);
  });
});
