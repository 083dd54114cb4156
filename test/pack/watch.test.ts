import { cpSync, existsSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openFolderWatcher } from '../../src/pack/folder-watcher.ts';
import { type Attempt, changeFlag, differences, watch } from '../../src/pack/watch.ts';
import { type Snapshot, takeSnapshot, watchTargets } from '../../src/pack/watched-files.ts';
import { root } from '../support/cli.ts';
import { requestFor } from '../support/request.ts';
import { tempDir } from '../support/temp.ts';

const { signal: never } = new AbortController();

/** Watches with scripted looks: when nothing is left to look at, it is interrupted. */
async function watched(script: {
  readonly looks: readonly Record<string, string>[];
  readonly own?: string;
  readonly attempt?: (count: number, raise: () => void) => void;
  /** How often files go on changing while it waits for quiet. */
  readonly noise?: number;
}) {
  const controller = new AbortController();
  const flag = changeFlag();
  const looks = [...script.looks];
  const attempts: Attempt[] = [];
  let clock = 0;
  let count = 0;
  let pauses = 0;
  let noise = script.noise ?? 0;
  const end = await watch(
    {
      flag,
      look: async () => {
        const look = looks.shift() ?? {};
        if (looks.length > 0) flag.raise();
        else controller.signal.throwIfAborted();
        return new Map(Object.entries(look)) as Snapshot;
      },
      isOwn: (path) => path === script.own,
      pause: async () => {
        pauses++;
        if (noise-- > 0) flag.raise();
      },
      now: () => (clock += 250),
      attempt: async () => script.attempt?.(++count, flag.raise),
      ended: (attempt) => {
        attempts.push(attempt);
        if (looks.length === 0) controller.abort(new Error('interrupted'));
      },
    },
    controller.signal,
  ).catch((error: unknown) => error);
  return { attempts, end, pauses };
}

describe('watching', () => {
  it('makes an attempt at once, and one for each change, with what changed and how long it took', async () => {
    const { attempts, end } = await watched({
      looks: [
        { '/a': '1', '/b': '1' },
        { '/a': '2', '/b': '1' },
        { '/a': '2', '/c': '1' },
      ],
    });
    expect(attempts).toEqual([
      { changed: [], error: undefined, milliseconds: 250, files: 2 },
      { changed: ['/a'], error: undefined, milliseconds: 250, files: 2 },
      { changed: ['/b', '/c'], error: undefined, milliseconds: 250, files: 2 },
    ]);
    expect(end).toEqual(new Error('interrupted'));
  });

  it('goes on after a failure', async () => {
    const failure = new Error('does not compile');
    const { attempts } = await watched({
      looks: [{ '/a': '1' }, { '/a': '2' }],
      attempt: (count) => {
        if (count === 1) throw failure;
      },
    });
    expect(attempts.map(({ error }) => error)).toEqual([failure, undefined]);
  });

  it('makes none where files are as before, or only its own results changed', async () => {
    const { attempts } = await watched({
      looks: [{ '/a': '1' }, { '/a': '1' }, { '/a': '1', '/a.oci': '1' }, { '/a': '2', '/a.oci': '2' }],
      own: '/a.oci',
    });
    expect(attempts.map(({ changed }) => changed)).toEqual([[], ['/a']]);
  });

  it('waits until files are quiet, but not for ever', async () => {
    const looks = [{ '/a': '1' }, { '/a': '2' }];
    expect((await watched({ looks, noise: 3 })).pauses).toBe(4);
    expect((await watched({ looks, noise: 1000 })).pauses).toBe(20);
  });

  it('ends at once where it is interrupted while it waits', async () => {
    const controller = new AbortController();
    const waiting = changeFlag().raised(controller.signal);
    controller.abort(new Error('interrupted'));
    await expect(waiting).rejects.toThrow('interrupted');
    await expect(changeFlag().raised(controller.signal)).rejects.toThrow('interrupted');
  });
});

describe('what is watched', () => {
  async function lookAt(path: string, cwd: string, add: readonly string[] = []) {
    const folders: string[] = [];
    const targets = await watchTargets(requestFor(path, { add }), cwd);
    const snapshot = await takeSnapshot(
      targets,
      async (folder, name) => void folders.push(name === undefined ? folder : `${folder} for ${name}`),
      never,
    );
    const shown = (each: string) => each.replaceAll(cwd, '.');
    return { snapshot, files: [...snapshot.keys()].map(shown).sort(), folders: folders.map(shown) };
  }

  it('is the whole module of a source, without what git keeps', async () => {
    const cwd = tempDir();
    cpSync(join(root, 'testdata/hello-go'), join(cwd, 'app'), { recursive: true });
    for (const folder of ['.git', 'cmd/tool']) mkdirSync(join(cwd, 'app', folder), { recursive: true });
    writeFileSync(join(cwd, 'app/.git/index'), 'x');
    writeFileSync(join(cwd, 'app/cmd/tool/main.go'), 'package main\nfunc main() {}\n');
    const whole = ['./app/cmd/tool/main.go', './app/go.mod', './app/main.go'];
    expect((await lookAt('./app', cwd)).files).toEqual(whole);
    expect((await lookAt('./app/cmd/tool', cwd)).files).toEqual(whole);
  });

  it('is the folder that was named where nothing can be recognised in it yet', async () => {
    const cwd = tempDir();
    mkdirSync(join(cwd, 'app'));
    writeFileSync(join(cwd, 'app/notes'), 'x');
    expect((await lookAt('./app', cwd)).files).toEqual(['./app/notes']);
  });

  it('leaves out what compiling leaves', async () => {
    const cwd = tempDir();
    cpSync(join(root, 'testdata/hello-rust'), join(cwd, 'app'), { recursive: true });
    const { files } = await lookAt('./app', cwd);
    mkdirSync(join(cwd, 'app/target'));
    writeFileSync(join(cwd, 'app/target/x'), 'x');
    expect((await lookAt('./app', cwd)).files).toEqual(files);
    expect(files).toContain('./app/Cargo.toml');
  });

  it('is a program, and files and folders that are added', async () => {
    const cwd = tempDir();
    mkdirSync(join(cwd, 'web/css'), { recursive: true });
    for (const file of ['hello', 'other', 'web/css/a.css', 'app.json']) writeFileSync(join(cwd, file), 'x');
    symlinkSync('nowhere', join(cwd, 'web/broken'));
    const { files, folders } = await lookAt('./hello', cwd, ['web:/srv', 'app.json:/etc/']);
    expect(files).toEqual(['./app.json', './hello', './web/css/a.css']);
    expect(folders).toEqual(['. for hello', '. for web', './web', './web/css', '. for app.json']);
  });

  it('is what fits a pattern', async () => {
    const cwd = tempDir();
    mkdirSync(join(cwd, 'dist'));
    for (const name of ['app-linux-amd64', 'app-linux-arm64', 'app.log', 'app-linux-amd64.d'])
      writeFileSync(join(cwd, 'dist', name), 'x');
    expect((await lookAt('dist/app-{os}-{arch}', cwd)).files).toEqual([
      './dist/app-linux-amd64',
      './dist/app-linux-arm64',
    ]);
  });

  it('is the way to a program that is not there yet', async () => {
    const cwd = tempDir();
    expect(await lookAt('out/bin/hello', cwd)).toMatchObject({ files: [], folders: ['. for out'] });
  });

  it('changes where an editor puts a new file in the place of the old, with the same size', async () => {
    const cwd = tempDir();
    const path = join(cwd, 'hello');
    writeFileSync(path, 'one');
    const before = (await lookAt('./hello', cwd)).snapshot;
    expect(differences(before, (await lookAt('./hello', cwd)).snapshot)).toEqual([]);
    writeFileSync(`${path}~`, 'two');
    renameSync(`${path}~`, path);
    expect(differences(before, (await lookAt('./hello', cwd)).snapshot)).toEqual([path]);
    unlinkSync(path);
    expect(differences(before, (await lookAt('./hello', cwd)).snapshot)).toEqual([path]);
  });
});

describe('a watched folder', () => {
  /** Gives the next change, and fails where one came that was not waited for. */
  function watcherOf() {
    const flag = changeFlag();
    const watcher = openFolderWatcher(flag.raise);
    onTestFinished(() => watcher.close());
    return { flag, watcher };
  }

  it('tells of new, changed and removed files', async () => {
    const folder = tempDir();
    const { flag, watcher } = watcherOf();
    await watcher.add(folder);
    for (const change of [
      () => writeFileSync(join(folder, 'a'), '1'),
      () => writeFileSync(join(folder, 'a'), '2'),
      () => unlinkSync(join(folder, 'a')),
    ]) {
      flag.lower();
      change();
      await flag.raised(never);
    }
    expect(existsSync(join(folder, 'a'))).toBe(false);
  });

  it('tells of one name alone where only that matters', async () => {
    const folder = tempDir();
    const { flag, watcher } = watcherOf();
    await watcher.add(folder, 'a');
    const other = changeFlag();
    const all = openFolderWatcher(other.raise);
    onTestFinished(() => all.close());
    await all.add(folder);
    writeFileSync(join(folder, 'b'), '1');
    await other.raised(never);
    expect(flag.isRaised).toBe(false);
    writeFileSync(join(folder, 'a'), '1');
    await flag.raised(never);
  });

  it('is watched anew when another took its place', async () => {
    const folder = join(tempDir(), 'dist');
    mkdirSync(folder);
    const { flag, watcher } = watcherOf();
    await watcher.add(folder);
    renameSync(folder, `${folder}.old`);
    mkdirSync(folder);
    await flag.raised(never);
    await watcher.add(folder);
    flag.lower();
    writeFileSync(join(folder, 'a'), '1');
    await flag.raised(never);
  });

  it('may be missing', async () => {
    const { watcher } = watcherOf();
    await expect(watcher.add(join(tempDir(), 'none'))).resolves.toBeUndefined();
  });
});
