import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { must, ocislim, packed, root } from '../support/cli.ts';
import { asRoot, describeWithPeers, type Peer } from '../support/peers.ts';
import { openTempDir, UID, wrapFor } from '../support/users.ts';

interface Example {
  readonly path: string;
  readonly peers: readonly Peer[];
  readonly options?: readonly string[];
}

/** Runtimes that are made for the program alone need no base with Java. */
const JAVA = ['--jlink', '--base', 'scratch', '--with-libs'];
/** The base is not asked for Node.js here; the files are what is compared. */
const NODE = ['--base', 'scratch', '--check', 'off'];

/** Everything in `testdata/`, with what compiles it. */
const EXAMPLES: readonly Example[] = [
  { path: 'hello', peers: [] },
  { path: 'hello-arm64', peers: [] },
  { path: 'hello-c', peers: ['gcc', 'make'] },
  { path: 'hello-cmake', peers: ['gcc', 'cmake', 'make'] },
  { path: 'hello-cpp/hello.cc', peers: ['g++'] },
  { path: 'hello-go', peers: ['go'] },
  { path: 'hello-go-cmds', peers: ['go'], options: ['--bin', 'hello'] },
  { path: 'hello-java/Hello.java', peers: ['javac', 'jlink'], options: JAVA },
  { path: 'hello-maven', peers: ['mvn', 'jlink'], options: JAVA },
  { path: 'hello-meson', peers: ['gcc', 'meson', 'ninja'] },
  { path: 'hello-node', peers: ['npm'], options: NODE },
  { path: 'hello-node-single', peers: ['npm'], options: NODE },
  { path: 'hello-rust', peers: ['cargo'] },
];

type Who = 'root' | 'user';

/** One a user, so that compilers find what they have compiled of their own libraries. */
const homes = new Map<Who, string>();

function homeOf(user: Who): string {
  const known = homes.get(user);
  if (known !== undefined) return known;
  const home = openTempDir();
  homes.set(user, home);
  return home;
}

/** A copy of testdata that the user of a test may write to. */
async function scene(user: Who) {
  const [folder, home] = [openTempDir(), homeOf(user)];
  cpSync(join(root, 'testdata'), folder, { recursive: true });
  if (user === 'user') await must('chown', ['-R', `${UID}:${UID}`, folder]);
  const env = {
    HOME: home,
    OCISLIM_HOME: join(folder, 'store'),
    TMPDIR: openTempDir(),
    // Whoever started the tests with npx has left theirs in the environment.
    npm_config_cache: join(home, '.npm'),
    // A toolchain of root's own is where it was.
    ...(user === 'root' ? { RUSTUP_HOME: process.env['RUSTUP_HOME'] ?? join(homedir(), '.rustup') } : {}),
  };
  return { folder, options: { cwd: folder, env, wrap: wrapFor(user) } };
}

/** Whether a user can start what the tests' own user can; a toolchain in root's home is closed to others. */
function mayStart(user: Who, peers: readonly Peer[]): boolean {
  if (process.getuid?.() !== 0) return true;
  const [command = 'sh', ...args] = [...wrapFor(user), 'sh', '-c', 'command -v "$1"', 'sh'];
  return peers.every((peer) => spawnSync(command, [...args, peer], { stdio: 'ignore' }).status === 0);
}

for (const user of ['root', 'user'] as const)
  for (const { path, peers, options: more = [] } of EXAMPLES)
    describeWithPeers(
      `packing ${path} again, as ${user}`,
      peers,
      () => {
        const isOpen = mayStart(user, peers);
        if (!isOpen) console.warn(`skipped: ${path} as ${user}: ${peers.join(', ')} is for root alone here`);
        it.skipIf(!isOpen)('is bit-identical', async () => {
          const { options } = await scene(user);
          const pack = ['pack', `./${path}`, ...more, '-t', 'app:1', '-o', 'oci:out'];
          const { digest } = await packed(pack, options);
          const verify = ['verify', 'oci:out', '--rebuild', `./${path}`, ...more, '--json'];
          const ran = await ocislim(verify, options);
          expect(ran).toMatchObject({ code: 0 });
          expect(JSON.parse(ran.stdout)).toMatchObject({ digest, rebuilt: 'bit-identical' });
        });
      },
      asRoot,
    );

describeWithPeers('packing something else', ['go'], () => {
  it('names the file and the byte of a program, and the option, that differ', async () => {
    const { folder, options } = await scene('root');
    await packed(['pack', './hello', '--label', 'a=b', '-o', 'oci:out'], options);
    const bytes = readFileSync(join(folder, 'hello'));
    const at = bytes.indexOf('hello world');
    bytes.write('j', at);
    writeFileSync(join(folder, 'hello'), bytes);
    const ran = await ocislim(['verify', 'oci:out', '--rebuild', './hello', '--label', 'a=b'], options);
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain(`usr/local/bin/hello: byte ${at} is 0x68, built again 0x6a`);
  });

  it('names the source that was changed by what became of it', async () => {
    const { folder, options } = await scene('root');
    await packed(['pack', './hello-go', '-o', 'oci:out'], options);
    const main = join(folder, 'hello-go/main.go');
    writeFileSync(main, readFileSync(main, 'utf8').replace('hello', 'jello'));
    const ran = await ocislim(['verify', 'oci:out', '--rebuild', './hello-go'], options);
    expect(ran).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/usr\/local\/bin\/hello: byte \d+ is/),
    });
  });
});
