import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { ocislim, type Ran, succeeded } from '../support/cli.ts';
import { describeWithPeers } from '../support/peers.ts';
import { openTempDir, USERS, type User, wrapFor } from '../support/users.ts';

/** What a step's line says: its title, and whether it was cached. */
function steps({ stderr }: Ran): Record<string, 'CACHED' | 'DONE' | 'ERROR'> {
  const titles = new Map<string, string>();
  const ends: Record<string, 'CACHED' | 'DONE' | 'ERROR'> = {};
  for (const line of stderr.split('\n')) {
    const [, number = '', title] = /^#(\d+) \[([^\]]+)\] /.exec(line) ?? [];
    if (title !== undefined) titles.set(number, title);
    const [, ended = '', how] = /^#(\d+) (CACHED|DONE|ERROR)/.exec(line) ?? [];
    const known = titles.get(ended);
    if (how !== undefined && known !== undefined) ends[known] = how as 'DONE';
  }
  return ends;
}

describeWithPeers('`ocislim build`', ['bwrap', 'proot', 'unshare', 'newuidmap'], () => {
  let folder: string;

  beforeAll(() => {
    folder = openTempDir();
    const [alpine] = alpineBases();
    if (alpine === undefined) throw new Error('no base');
    writeBaseLayout(join(folder, 'alpine'), alpine);
  });

  const stores = new Map<User, string>();
  function as(user: User, cwd: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const store = stores.get(user) ?? openTempDir();
    stores.set(user, store);
    const env = { OCISLIM_HOME: join(store, 'store'), HOME: store, ...more };
    const base =
      args[0] === 'build' || args[0] === 'slim' ? [`--build-context=alpine=oci:${folder}/alpine`] : [];
    return ocislim([...args.slice(0, 1), ...base, ...args.slice(1)], { cwd, env, wrap: wrapFor(user) });
  }
  function project(files: Readonly<Record<string, string>>): string {
    const place = openTempDir();
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(place, path)), { recursive: true });
      writeFileSync(join(place, path), content);
    }
    return place;
  }
  async function built(user: User, cwd: string, ...args: readonly string[]): Promise<Ran> {
    const ran = await as(user, cwd, ['build', ...args, '.']);
    if (ran.code !== 0) throw new Error(ran.stderr);
    return ran;
  }

  const TWO_STAGES = {
    Dockerfile: [
      'FROM alpine AS tools',
      'RUN mkdir /made && echo tools > /made/tools',
      'FROM alpine AS app',
      'WORKDIR /src',
      'COPY main.txt .',
      'RUN tr a-z A-Z < main.txt > /result',
      'FROM alpine',
      'COPY --from=tools /made /made',
      'COPY --from=app /result /result',
      'CMD ["cat", "/made/tools", "/result"]',
    ].join('\n'),
    'main.txt': 'hello\n',
  };

  it.each(USERS)('as %s makes an image that runs', async (user) => {
    const place = project(TWO_STAGES);
    await built(user, place, '-t', 'two:1', '-q');
    expect(await as(user, place, ['run', '-q', 'two:1'])).toMatchObject({
      code: 0,
      stdout: 'tools\nHELLO\n',
    });
  });

  it('gives the same digest in another store, folder and year', async () => {
    const digests = new Set<string>();
    for (const _ of [1, 2]) {
      const env = { OCISLIM_HOME: join(openTempDir(), 'store') };
      const place = project(TWO_STAGES);
      const ran = await as('root', place, ['build', '-t', 'two:1', '-q', '.'], env);
      digests.add(ran.stdout);
    }
    expect([...digests]).toEqual([expect.stringMatching(/^two:1@sha256:[0-9a-f]{64}\n$/)]);
  });

  it('does nothing again that has not changed, and starts no process for it', async () => {
    const place = project(TWO_STAGES);
    await built('root', place, '-t', 'again:1');
    // Nothing could be started: no sandbox, no shell.
    const env = { PATH: openTempDir() };
    const store = stores.get('root') ?? '';
    const again = await ocislim(
      ['build', `--build-context=alpine=oci:${folder}/alpine`, '-t', 'again:1', '.'],
      { cwd: place, env: { ...env, OCISLIM_HOME: join(store, 'store') } },
    );
    expect(again).toMatchObject({ code: 0 });
    const made = Object.entries(steps(again)).filter(([title]) => !title.includes(' 1/'));
    expect(made).toHaveLength(6);
    expect(made.every(([, how]) => how === 'CACHED')).toBe(true);
  });

  it('runs only the stages that a changed file reaches', async () => {
    const place = project(TWO_STAGES);
    await built('root', place, '-t', 'changed:1');
    writeFileSync(join(place, 'main.txt'), 'changed here\n');
    const ran = await built('root', place, '-t', 'changed:1');
    expect(steps(ran)).toMatchObject({
      'tools 2/2': 'CACHED',
      'app 2/4': 'CACHED',
      'app 3/4': 'DONE',
      'app 4/4': 'DONE',
      'stage-2 2/3': 'CACHED',
      'stage-2 3/3': 'DONE',
    });
    const shown = await as('root', place, ['run', '-q', 'changed:1']);
    expect(shown.stdout).toBe('tools\nCHANGED HERE\n');
  });

  it('does not run stages that nothing needs', async () => {
    const place = project({ Dockerfile: 'FROM alpine AS broken\nRUN exit 1\nFROM alpine\nRUN true' });
    const ran = await built('root', place, '-t', 'needed:1');
    expect(Object.keys(steps(ran)).filter((title) => title.startsWith('broken'))).toEqual([]);
  });

  it('does all anew with --no-cache, and one stage with --no-cache-filter', async () => {
    const place = project(TWO_STAGES);
    await built('root', place, '-t', 'anew:1');
    expect(steps(await built('root', place, '-t', 'anew:1', '--no-cache-filter', 'tools'))).toMatchObject({
      'tools 2/2': 'DONE',
      'app 4/4': 'CACHED',
    });
    expect(steps(await built('root', place, '-t', 'anew:1', '--no-cache'))).toMatchObject({
      'tools 2/2': 'DONE',
      'app 4/4': 'DONE',
    });
    const refused = await as('root', place, ['build', '--no-cache-filter', 'tool', '.']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('did you mean tools?');
  });

  it('shows the end of what a failing RUN printed, its exit code, and how to get a shell there', async () => {
    const place = project({ Dockerfile: 'FROM alpine\nRUN echo begun\n\nRUN echo reason; exit 9\n' });
    const ran = await as('root', place, ['build', '.']);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain(
      'reason\nocislim: Dockerfile:4: RUN ended with exit code 9: RUN echo reason; exit 9',
    );
    expect(ran.stderr).toContain('hint: the same with --debug-shell opens a shell at this point');
  });

  it.each(USERS)('as %s opens a shell where a RUN failed', async (user) => {
    const place = project({ Dockerfile: 'FROM alpine\nRUN echo kept > /kept\nRUN cat /kept && false\n' });
    const store = openTempDir();
    const ran = await ocislim(
      ['build', `--build-context=alpine=oci:${folder}/alpine`, '--debug-shell', '.'],
      {
        cwd: place,
        env: { OCISLIM_HOME: join(store, 'store'), HOME: store },
        wrap: wrapFor(user),
        input: 'cat /kept; echo "in the shell"\n',
      },
    );
    expect(ran).toMatchObject({ code: 3, stdout: 'kept\nin the shell\n' });
  });

  it('tells where a Dockerfile is wrong', async () => {
    const place = project({ Dockerfile: 'FROM alpine\nCOPPY a b\n' });
    const ran = await as('root', place, ['build', '.']);
    expect(ran.code).toBe(2);
    expect(ran.stderr.split('\n').slice(0, 3)).toEqual([
      expect.stringMatching(/^ocislim: Dockerfile:2: .*COPPY/),
      'COPPY a b',
      '^^^^^',
    ]);
    expect(ran.stderr).toContain('did you mean COPY?');
  });

  it('takes warnings for errors where the Dockerfile says so', async () => {
    const place = project({ Dockerfile: '# check=error=true\nFROM alpine\nMAINTAINER me\n' });
    const ran = await as('root', place, ['build', '.']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('\nocislim: Dockerfile:3: ');
    expect(ran.stderr).toContain('(MaintainerDeprecated)');
  });

  it('refuses what nobody has written', async () => {
    const place = project({ Dockerfile: `FROM scratch\n${'LABEL a=b\n'.repeat(60_000)}` });
    const ran = await as('root', place, ['build', '.']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('ocislim: Dockerfile:2001: more than 2000 instructions');
  });

  it('tells what a COPY did not find', async () => {
    const place = project({ Dockerfile: 'FROM alpine\nCOPY main.tx /\n', 'main.txt': '' });
    const ran = await as('root', place, ['build', '.']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/ocislim: Dockerfile:2: .*main\.tx/);
    expect(ran.stderr).toContain('did you mean main.txt?');
  });

  it('leaves secrets and build arguments in nothing that it makes', async () => {
    const place = project({
      Dockerfile: [
        'FROM alpine',
        'ARG TOKEN',
        'RUN --mount=type=secret,id=key --mount=type=secret,id=word,env=WORD test "$(printf %s "$(cat /run/secrets/key)$WORD$TOKEN" | sha256sum)" = "f1ec60f3aec562ab0bcc14e7d88b962937f2b3c0705765f6ba149ad5ffb74005  -"',
      ].join('\n'),
      key: 'canary-1',
    });
    const store = openTempDir();
    const env = { OCISLIM_HOME: join(store, 'store'), WORD: 'canary-2' };
    const secrets = [
      '--secret',
      'id=key,src=key',
      '--secret',
      'id=word,env=WORD',
      '--build-arg',
      'TOKEN=canary-3',
    ];
    const ran = await as(
      'root',
      place,
      ['build', '-v', '-t', 'secret:1', '-o', 'oci:out', '--compression', 'none', ...secrets, '.'],
      env,
    );
    expect(ran).toMatchObject({ code: 0 });
    expect(`${ran.stdout}${ran.stderr}`).not.toContain('canary');
    for (const top of [join(store, 'store'), join(place, 'out')])
      for (const path of readdirSync(top, { recursive: true, withFileTypes: true }))
        if (path.isFile())
          expect(readFileSync(join(path.parentPath, path.name)).includes('canary')).toBe(false);
  });

  it('keeps what compilers keep, for stages that are no part of the image alone', async () => {
    const script =
      'RUN cd; mkdir -p .cache/go-build && date +%s%N >> .cache/go-build/x; wc -l < .cache/go-build/x > /count';
    const files = [
      'FROM alpine AS made',
      script,
      'FROM alpine',
      'COPY --from=made /count /',
      script.replaceAll('go-build', 'pip'),
    ];
    // The name of the folder is put together, so that the Dockerfile does not name it.
    const text = [...files, 'CMD ["sh", "-c", "cat /count; ls -A /root"]']
      .join('\n')
      .replaceAll('go-build', 'go-b""uild');
    const place = project({
      Dockerfile: text.replaceAll('pip', 'p""ip').replace('> /count\nCMD', '> /own\nCMD'),
    });
    const shown = async (...args: readonly string[]) => {
      await built('root', place, '-t', 'kept:1', '--no-cache-filter', 'made', ...args);
      return (await as('root', place, ['run', '-q', 'kept:1'])).stdout;
    };
    expect(await shown()).toBe('1\n.cache\n');
    expect(await shown()).toBe('2\n.cache\n');
    expect(await shown('--hermetic')).toBe('1\n.cache\n');
  });

  it('waits for no cache that the same command has, and for none the other way round', async () => {
    const [one, two] = ['one', 'two'].map((id) => `--mount=type=cache,id=${id},sharing=locked,target=`);
    const place = project({
      Dockerfile: [
        'FROM alpine AS a',
        `RUN ${one}/x ${one}/y ${two}/z touch /x/f /a && ls /y/f`,
        'FROM alpine AS b',
        `RUN ${two}/z ${one}/x touch /z/f /b`,
        'FROM alpine',
        'COPY --from=a /a /',
        'COPY --from=b /b /',
      ].join('\n'),
    });
    expect(await built('root', place, '-t', 'locked:1')).toMatchObject({ code: 0 });
  });

  it('does not take what a sandbox with one id has made for what others would make', async () => {
    const place = project({
      Dockerfile: 'FROM alpine\nRUN touch /f && chown 12:34 /f\nCMD ["stat", "-c", "%u:%g", "/f"]',
    });
    const env = { OCISLIM_HOME: join(openTempDir(), 'store') };
    const build = (...args: readonly string[]) =>
      as('root', place, ['build', '-t', 'one:1', ...args, '.'], env);
    const other = { OCISLIM_HOME: join(openTempDir(), 'store') };
    const options = {
      cwd: place,
      env: { ...other, HOME: openTempDir() },
      wrap: wrapFor('user without namespaces'),
    };
    const base = `--build-context=alpine=oci:${folder}/alpine`;
    expect(
      await ocislim(['build', base, '-t', 'one:1', '--cache-to', './cache', '.'], options),
    ).toMatchObject({ code: 0 });
    const ran = await build('--cache-from', './cache');
    expect(steps(ran)).toMatchObject({ 'stage-0 2/2': 'DONE' });
    expect((await as('root', place, ['run', '-q', 'one:1'], env)).stdout).toBe('12:34\n');
  });

  it('gives a command no key in the place of an agent', async () => {
    const place = project({ Dockerfile: 'FROM alpine\nRUN --mount=type=ssh true\n', key: 'private' });
    const refused = await as('root', place, ['build', '--ssh', 'default=key', '.']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--ssh default=key: it is no socket of an agent');
    expect(await as('root', place, ['build', '--ssh', 'default=none', '.'])).toMatchObject({ code: 2 });
  });

  it('takes a Dockerfile, or a context as a tar, from standard input', async () => {
    const place = project({});
    const base = `--build-context=alpine=oci:${folder}/alpine`;
    const options = { cwd: place, env: { OCISLIM_HOME: join(openTempDir(), 'store') } };
    await succeeded(['build', base, '-t', 'typed:1', '-q', '-'], {
      ...options,
      input: 'FROM alpine\nRUN true\n',
    });
    await succeeded(['build', base, '-t', 'typed:2', '-q', '-f', '-', '.'], {
      ...options,
      input: 'FROM alpine\n',
    });
  });

  it('shares results with other machines through a folder', async () => {
    const place = project(TWO_STAGES);
    const first = await as('root', place, ['build', '-t', 'shared:1', '--cache-to', './cache', '.'], {
      OCISLIM_HOME: join(openTempDir(), 'store'),
    });
    expect(first).toMatchObject({ code: 0 });
    const second = await as('root', place, ['build', '-t', 'shared:1', '--cache-from', './cache', '.'], {
      OCISLIM_HOME: join(openTempDir(), 'store'),
    });
    expect(second).toMatchObject({ code: 0, stdout: first.stdout });
    const made = Object.entries(steps(second)).filter(([title]) => !title.includes(' 1/'));
    expect(made.every(([, how]) => how === 'CACHED')).toBe(true);
    const none = await as('root', place, ['build', '-t', 'shared:1', '--cache-from', './nothing', '.'], {
      OCISLIM_HOME: join(openTempDir(), 'store'),
    });
    expect(none).toMatchObject({ code: 0, stdout: first.stdout });
    expect(none.stderr).toMatch(/warning: --cache-from \.\/nothing: .*going on without it/);
  });

  it('makes one layer of all with --squash', async () => {
    const place = project({
      Dockerfile:
        'FROM alpine\nRUN echo x > /gone && echo y > /kept\nRUN rm /gone /etc/motd\nCMD ["ls", "/gone", "/kept", "/etc/motd"]',
    });
    await built('root', place, '-t', 'squashed:1', '--squash', '-o', 'oci:out', '-q');
    const inspected = await as('root', place, ['inspect', '--json', 'oci:out']);
    const { platforms } = JSON.parse(inspected.stdout) as { platforms: { layers: unknown[] }[] };
    expect(platforms[0]?.layers).toHaveLength(2);
    const ran = await as('root', place, ['run', '-q', 'squashed:1']);
    expect(ran.stdout).toBe('/kept\n');
    expect(ran.stderr).toMatch(/\/gone.*\n.*\/etc\/motd/);
  });

  it('warns of files that give rights away where the Dockerfile adds them, not where its base has them', async () => {
    const base = project({
      Dockerfile: 'FROM alpine\nRUN cp /bin/busybox /raising && chmod 4755 /raising\n',
    });
    await built('root', base, '-t', 'raising:1', '-o', 'oci:out', '-q');
    const on = ['--build-context', `raising=oci:${base}/out`, '-t', 'on-raising:1'];
    const quiet = project({ Dockerfile: 'FROM raising\nRUN echo x > /x\nCMD ["true"]\n' });
    expect((await built('root', quiet, ...on)).stderr).not.toContain('warning');
    const own = project({
      Dockerfile: 'FROM raising\nRUN cp -a /raising /own && mkdir -m 777 /open\nCMD ["true"]\n',
    });
    const { stderr } = await built('root', own, ...on);
    expect(stderr).toContain("warning: /own run with their owner's rights");
    expect(stderr).toContain('warning: anyone may write to /open');
  });
});
