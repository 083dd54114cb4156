import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, it } from 'vitest';
import { alpineBases } from '../support/bases.ts';
import { bundled } from '../support/children.ts';
import { must } from '../support/cli.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { directory, END, hard, member, pax, symbolic } from '../support/tars.ts';
import { openTempDir, UID, USERS, type User, wrapFor } from '../support/users.ts';

/** How far a driver knows owners. */
type Ids = 'root' | 'range' | 'one';

/** What a step is to give: lines for the members of its layer, an exit code without one, or an error. */
type Expected = readonly string[] | number | RegExp;

interface Step {
  readonly script?: string;
  readonly add?: readonly { readonly path: string; readonly content: string }[];
  readonly mounts?: readonly object[];
  readonly identity?: object;
  readonly abortOn?: string;
  readonly cwd?: string;
  readonly forget?: boolean;
  readonly gives?: Expected | ((ids: Ids, isProot: boolean) => Expected);
  readonly prints?: string;
}

interface Row {
  readonly driver: string;
  readonly ids: Ids;
  readonly name?: string;
  readonly results: readonly {
    readonly code?: number;
    readonly error?: string;
    readonly members?: readonly string[];
    readonly output?: string;
  }[];
  readonly differences: readonly string[];
  readonly left?: readonly string[];
}

/** A folder of the host that nothing may happen to. */
const VICTIM = openTempDir();

const OLD = 1_000_000_000;
/** A capability set of one, version 2 (capabilities(7)). */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

/** A layer of the base with what the steps change. */
const DATA = Buffer.concat([
  directory('data', { mtime: OLD }),
  member('data/a', 'aaa', { mtime: OLD }),
  directory('data/sub', { mtime: OLD }),
  member('data/sub/x', 'x', { mtime: OLD }),
  member('data/sub/y', 'yy', { mtime: OLD }),
  member('data/owned', 'mine', { mtime: OLD, uid: 1000, gid: 1000, mode: 0o640 }),
  member('data/suid', '#!', { mtime: OLD, uid: 1000, gid: 1000, mode: 0o4755 }),
  directory('data/home', { mtime: OLD, uid: 1000, gid: 1000, mode: 0o700 }),
  member('data/home/own', 'o', { mtime: OLD, uid: 1000, gid: 1000, mode: 0o600 }),
  member('data/h1', 'hard', { mtime: OLD }),
  hard('data/h2', 'data/h1'),
  symbolic('data/link', 'sub', { mtime: OLD }),
  pax({ 'SCHILY.xattr.user.note': 'kept', 'SCHILY.xattr.security.capability': CAPABILITY }),
  member('data/able', 'able', { mtime: OLD, mode: 0o755 }),
  END,
]);

const changedData = 'directory 755 0:0 data';
const sameData = `${changedData} @${OLD}`;
const deep = Array.from({ length: 20 }, (_, at) => `folder-with-a-long-name-${at}`);
const user = { uid: 1000, gid: 1000, gids: [] };

const CASES: Readonly<Record<string, readonly Step[]>> = {
  'creates files and folders': [
    {
      script: 'cd /data && echo hello > new && mkdir -p d/e && touch d/e/empty && mkdir alone',
      gives: [
        changedData,
        'directory 755 0:0 data/alone',
        'directory 755 0:0 data/d',
        'directory 755 0:0 data/d/e',
        'file 644 0:0 data/d/e/empty 0',
        'file 644 0:0 data/new 6',
      ],
    },
  ],
  'changes content': [
    { script: 'echo more >> /data/a', gives: [sameData, 'file 644 0:0 data/a 8'] },
    { script: 'cat /data/a', gives: 0, prints: 'aaamore\n' },
  ],
  'changes a mode alone': [
    { script: 'chmod 600 /data/a', gives: [sameData, `file 600 0:0 data/a 3 @${OLD}`] },
  ],
  'changes the mode of a folder alone': [
    { script: 'chmod 750 /data/sub', gives: [sameData, `directory 750 0:0 data/sub @${OLD}`] },
  ],
  'changes an owner alone': [
    {
      script: 'chown 1234:1235 /data/a',
      gives: (ids, isProot) =>
        ids === 'one' ? (isProot ? 0 : 1) : [sameData, `file 644 1234:1235 data/a 3 @${OLD}`],
    },
  ],
  'changes the owner of a link, and of a folder': [
    {
      script: 'chown -h 7:8 /data/link && chown 9 /data/sub',
      gives: (ids, isProot) =>
        ids === 'one'
          ? isProot
            ? 0
            : 1
          : [sameData, `symlink 777 7:8 data/link -> sub @${OLD}`, `directory 755 9:0 data/sub @${OLD}`],
    },
  ],
  'deletes a file': [{ script: 'rm /data/a', gives: [changedData, 'file 0 0:0 data/.wh.a 0'] }],
  'deletes a folder': [{ script: 'rm -r /data/sub', gives: [changedData, 'file 0 0:0 data/.wh.sub 0'] }],
  'deletes what is in a folder': [
    {
      script: 'rm /data/sub/*',
      gives: [
        sameData,
        'directory 755 0:0 data/sub',
        'file 0 0:0 data/sub/.wh.x 0',
        'file 0 0:0 data/sub/.wh.y 0',
      ],
    },
  ],
  'puts a file in the place of a folder, and a folder there again': [
    {
      script: 'rm -r /data/sub && echo file > /data/sub',
      gives: [changedData, 'file 644 0:0 data/sub 5'],
    },
    {
      script: 'rm /data/sub && mkdir /data/sub && touch /data/sub/z',
      gives: [changedData, 'directory 755 0:0 data/sub', 'file 644 0:0 data/sub/z 0'],
    },
    { script: 'ls /data/sub', gives: 0, prints: 'z\n' },
  ],
  'puts a link in the place of a folder': [
    {
      script: 'rm -r /data/sub && ln -s home /data/sub',
      gives: [changedData, 'symlink 777 0:0 data/sub -> home'],
    },
  ],
  'makes a folder anew': [
    {
      script: 'rm -r /data/sub && mkdir /data/sub && echo new > /data/sub/x',
      gives: [
        changedData,
        'directory 755 0:0 data/sub',
        'file 0 0:0 data/sub/.wh.y 0',
        'file 644 0:0 data/sub/x 4',
      ],
    },
    { script: 'ls /data/sub', gives: 0, prints: 'x\n' },
    {
      script: 'rm /data/sub/x',
      gives: [changedData, 'directory 755 0:0 data/sub', 'file 0 0:0 data/sub/.wh.x 0'],
    },
  ],
  'makes folders in each other anew': [
    {
      script: 'mkdir /data/sub/in && touch /data/sub/in/old',
      gives: [
        sameData,
        'directory 755 0:0 data/sub',
        'directory 755 0:0 data/sub/in',
        'file 644 0:0 data/sub/in/old 0',
      ],
    },
    {
      script: 'rm -r /data/sub && mkdir -p /data/sub/in && touch /data/sub/in/new',
      gives: [
        changedData,
        'directory 755 0:0 data/sub',
        'file 0 0:0 data/sub/.wh.x 0',
        'file 0 0:0 data/sub/.wh.y 0',
        'directory 755 0:0 data/sub/in',
        'file 0 0:0 data/sub/in/.wh.old 0',
        'file 644 0:0 data/sub/in/new 0',
      ],
    },
  ],
  'renames a folder': [
    {
      script: 'mv /data/sub /data/moved',
      gives: [
        changedData,
        'file 0 0:0 data/.wh.sub 0',
        `directory 755 0:0 data/moved @${OLD}`,
        `file 644 0:0 data/moved/x 1 @${OLD}`,
        `file 644 0:0 data/moved/y 2 @${OLD}`,
      ],
    },
  ],
  'makes hard links, of its own and of lower files': [
    {
      script: 'cd /data && ln a b && echo 1 > c && ln c 0',
      gives: [
        changedData,
        'file 644 0:0 data/0 2',
        `file 644 0:0 data/a 3 @${OLD}`,
        `hardlink 644 0:0 data/b => data/a @${OLD}`,
        'hardlink 644 0:0 data/c => data/0',
      ],
    },
    { script: 'stat -c %h /data/a /data/0', gives: 0, prints: '2\n2\n' },
  ],
  'makes links': [
    {
      script: 'ln -s /nowhere /data/s && ln -sfn /data/a /data/link',
      gives: [changedData, 'symlink 777 0:0 data/link -> /data/a', 'symlink 777 0:0 data/s -> /nowhere'],
    },
  ],
  'sets set-uid, set-gid and sticky bits': [
    {
      script: 'cd /data && touch u && chmod 4755 u && mkdir -m 1777 t && mkdir g && chmod 2755 g',
      gives: [
        changedData,
        'directory 2755 0:0 data/g',
        'directory 1777 0:0 data/t',
        'file 4755 0:0 data/u 0',
      ],
    },
  ],
  'sets times': [
    { script: 'touch -d @1234567890 /data/a', gives: [sameData, 'file 644 0:0 data/a 3 @1234567890'] },
    { script: 'touch -d @1900000000 /data/a', gives: [sameData, 'file 644 0:0 data/a 3'] },
  ],
  'changes nothing by the time of a folder': [{ script: 'touch -d @1234567890 /data/sub', gives: 0 }],
  'keeps extended attributes and capabilities': [
    {
      script: 'chmod 700 /data/able',
      gives: [
        sameData,
        `file 700 0:0 data/able 4 security.capability=${CAPABILITY.toString('base64')} user.note=${Buffer.from('kept').toString('base64')} @${OLD}`,
      ],
    },
    {
      script: 'chmod 755 /data/able',
      gives: [
        sameData,
        `file 755 0:0 data/able 4 security.capability=${CAPABILITY.toString('base64')} user.note=${Buffer.from('kept').toString('base64')} @${OLD}`,
      ],
    },
  ],
  'makes FIFOs': [{ script: 'mkfifo /data/f', gives: [changedData, 'fifo 644 0:0 data/f'] }],
  'makes large files, and files with holes': [
    {
      script: 'dd if=/dev/zero of=/data/big bs=1M count=40 2>/dev/null; truncate -s 10M /data/holes',
      gives: [changedData, 'file 644 0:0 data/big 41943040', 'file 644 0:0 data/holes 10485760'],
    },
  ],
  'gives names that are not UTF-8, and with odd characters': [
    {
      script: `cd /data && touch "$(printf 'n\\377')" 'a b' "$(printf 'two\\nlines')" '\\back' ./-dash 'ü'`,
      gives: [
        changedData,
        'file 644 0:0 data/-dash 0',
        'file 644 0:0 data/\\\\back 0',
        'file 644 0:0 data/a b 0',
        'file 644 0:0 data/n\\udcff 0',
        'file 644 0:0 data/two\\nlines 0',
        'file 644 0:0 data/ü 0',
      ],
    },
    { script: `rm "/data/$(printf 'n\\377')"`, gives: [changedData, 'file 0 0:0 data/.wh.n\\udcff 0'] },
  ],
  'makes deep paths': [
    {
      script: `mkdir -p /data/${deep.join('/')} && touch /data/${deep.join('/')}/file`,
      gives: [
        changedData,
        ...deep.map((_, at) => `directory 755 0:0 data/${deep.slice(0, at + 1).join('/')}`),
        `file 644 0:0 data/${deep.join('/')}/file 0`,
      ],
    },
  ],
  'leaves out what was only touched, made and removed again': [
    {
      script: 'touch /data/q /data/sub/q; rm /data/q /data/sub/q; echo x 2>/dev/null >> /etc/hosts; true',
      gives: 0,
    },
  ],
  'changes nothing': [{ script: 'true', gives: 0 }],
  'keeps nothing of a command that fails': [
    { script: 'touch /data/new; exit 3', gives: 3 },
    { script: 'ls /data/new 2>/dev/null; true', gives: 0, prints: '' },
  ],
  'keeps nothing of a command that is killed': [
    { script: 'touch /data/new; echo started; sleep 2345671', abortOn: 'started', gives: /stopped/ },
    { script: 'ls /data/new 2>/dev/null; true', gives: 0, prints: '' },
  ],
  'hides what earlier steps have made': [
    {
      script: 'mkdir /data/d; touch /data/n /data/d/n',
      gives: [changedData, 'directory 755 0:0 data/d', 'file 644 0:0 data/d/n 0', 'file 644 0:0 data/n 0'],
    },
    {
      script: 'rm -r /data/n /data/d',
      gives: [changedData, 'file 0 0:0 data/.wh.d 0', 'file 0 0:0 data/.wh.n 0'],
    },
    { script: 'touch /data/n', gives: [changedData, 'file 644 0:0 data/n 0'] },
    { script: 'mkdir /data/d; ls /data/d', gives: [changedData, 'directory 755 0:0 data/d'], prints: '' },
  ],
  'has the same roots where none was kept': [
    {
      script: 'rm -r /data/sub; touch /data/n',
      gives: [changedData, 'file 0 0:0 data/.wh.sub 0', 'file 644 0:0 data/n 0'],
    },
    {
      forget: true,
      script: 'ls /data/sub /data/n 2>/dev/null; chmod 600 /data/n',
      gives: [changedData, 'file 600 0:0 data/n 0'],
      prints: '/data/n\n',
    },
    { forget: true, script: 'mkdir /data/sub', gives: [changedData, 'directory 755 0:0 data/sub'] },
  ],
  'stacks layers that copying made': [
    {
      add: [
        { path: 'data/sub/added', content: 'added' },
        { path: 'data/a', content: 'other' },
        { path: 'data/home/deep/er', content: '' },
      ],
    },
    { script: 'cat /data/sub/added /data/a /data/sub/x', gives: 0, prints: 'addedotherx' },
    {
      script: 'rm /data/sub/added',
      gives: [sameData, 'directory 755 0:0 data/sub', 'file 0 0:0 data/sub/.wh.added 0'],
    },
    { add: [{ path: 'data/sub/added', content: 'again' }] },
    { script: 'cat /data/sub/added', gives: 0, prints: 'again' },
  ],
  'stacks more layers than can be mounted': [
    ...Array.from({ length: 60 }, (_, at) => ({ add: [{ path: `data/many/${at}`, content: '' }] })),
    { script: 'ls /data/many | wc -l', gives: 0, prints: '60\n' },
    { add: [{ path: 'data/many/60', content: '' }] },
    {
      script: 'ls /data/many | wc -l; touch /data/new',
      gives: [changedData, 'file 644 0:0 data/new 0'],
      prints: '61\n',
    },
  ],
  'leaves owners and set-uid bits of others as they are': [
    { script: 'echo x >> /data/owned', gives: [sameData, 'file 640 1000:1000 data/owned 6'] },
    {
      script: 'touch -d @1234567890 /data/suid',
      gives: [sameData, 'file 4755 1000:1000 data/suid 2 @1234567890'],
    },
    { script: 'chmod 600 /data/owned', gives: [sameData, 'file 600 1000:1000 data/owned 6'] },
  ],
  'gives files to the user that the command ran as': [
    {
      identity: user,
      cwd: '/data/home',
      script: 'echo x > new; echo y >> own',
      gives: [
        sameData,
        'directory 700 1000:1000 data/home',
        'file 644 1000:1000 data/home/new 2',
        'file 600 1000:1000 data/home/own 3',
      ],
    },
    {
      identity: user,
      script: 'rm /data/home/new && cat /data/home/own',
      gives: [sameData, 'directory 700 1000:1000 data/home', 'file 0 0:0 data/home/.wh.new 0'],
      prints: 'oy\n',
    },
  ],
  'leaves no trace of mounts': [
    {
      mounts: [
        { source: '/usr', target: '/data/one/two', isWritable: false },
        { source: '/etc/hostname', target: '/data/home/secret', isWritable: false },
        { kind: 'empty', target: '/data/home/.cache' },
        { kind: 'empty', target: '/data/link/through' },
      ],
      cwd: '/data/work/er',
      script: 'touch /data/home/.cache/x; pwd; ls -d /data/one/two/bin /data/sub/through',
      gives: 0,
      prints: '/data/work/er\n/data/one/two/bin\n/data/sub/through\n',
    },
    {
      mounts: [{ source: '/usr', target: '/data/one/two', isWritable: false }],
      script: 'touch /data/one/own',
      gives: [changedData, 'directory 755 0:0 data/one', 'file 644 0:0 data/one/own 0'],
    },
  ],
  'removes no folder of the host where a mount was': [
    {
      mounts: [{ source: '/usr', target: '/data/one/two', isWritable: false }],
      script: `mv /data/one /data/other 2>/dev/null && ln -s ${VICTIM} /data/one; true`,
    },
  ],
  'takes rights away': [
    {
      script: 'chmod 0 /data/a && chmod 500 /data/sub',
      gives: [sameData, `file 0 0:0 data/a 3 @${OLD}`, `directory 500 0:0 data/sub @${OLD}`],
    },
    {
      script: 'touch /data/sub/x /data/new',
      gives: [
        changedData,
        'file 644 0:0 data/new 0',
        `directory 500 0:0 data/sub @${OLD}`,
        'file 644 0:0 data/sub/x 1',
      ],
    },
  ],
  'refuses names that would hide': [
    { script: 'touch /data/.wh.x', gives: /names that begin with \.wh\. hide files/ },
  ],
};

describeWithPeers(
  'runLayer',
  ['bwrap', 'proot', 'unshare', 'newuidmap', 'setcap'],
  () => {
    let child: string;
    let bases: readonly { path: string; gzip: boolean }[];

    beforeAll(async () => {
      const [alpine] = alpineBases();
      if (alpine === undefined) throw new Error('no base');
      const folder = openTempDir();
      bases = [alpine.layer, gzipSync(DATA)].map((bytes, at) => {
        const path = join(folder, `${at}`);
        writeFileSync(path, bytes);
        chmodSync(path, 0o644);
        return { path, gzip: true };
      });
      child = await bundled('run-layer');
    });

    it.each(['root', 'user', 'user with a range of ids'] as const)(
      'as %s keeps capabilities that a command gives',
      async (user) => {
        const setcap =
          '/host/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path /host/lib/x86_64-linux-gnu /host/sbin/setcap';
        const mounts = [{ source: '/usr', target: '/host', isWritable: false }];
        const script = `echo x > /data/given && ${setcap} cap_net_raw=ep /data/given`;
        const rows = await rowsOf(user, { setcap: [{ script, mounts }] }, 'bubblewrap');
        // CAP_NET_RAW is 13: permitted, and effective.
        const given = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('base64');
        const layers = rows.filter(({ name }) => name !== undefined).map(({ results }) => results[0]);
        expect(layers.length).toBeGreaterThan(1);
        for (const layer of layers)
          expect(layer?.members).toEqual([
            changedData,
            `file 644 0:0 data/given 2 security.capability=${given}`,
          ]);
      },
    );

    it.each(['root', 'user', 'user with a range of ids'] as const)(
      'as %s gives a file to the user that a command runs as, and no trace of it',
      async (as) => {
        const source = join(openTempDir(), 'secret');
        const script = 'stat -c %u:%g:%a /run/secret; cat /run/secret';
        const mounts = [
          { source, target: '/run/secret', isWritable: false, owner: { uid: 1000, gid: 1000 } },
        ];
        writeFileSync(source, 'told\n', { mode: 0o400 });
        if (as !== 'root') chownSync(source, UID, UID);
        const rows = await rowsOf(as, { secret: [{ script, mounts, identity: user }] }, 'bubblewrap');
        const [first, ...others] = rows.filter(({ name }) => name !== undefined);
        expect(first?.results).toEqual([{ code: 0, output: '1000:1000:400\ntold\n' }]);
        if (as !== 'user with a range of ids')
          for (const { results } of others) expect(results).toEqual(first?.results);
      },
    );

    async function rowsOf(
      user: User,
      cases: Readonly<Record<string, readonly Step[]>>,
      only = '',
    ): Promise<readonly Row[]> {
      const folder = openTempDir();
      const request = join(folder, 'request.json');
      writeFileSync(request, JSON.stringify({ bases, cases, only }));
      const [command = '', ...args] = [...wrapFor(user), process.execPath, child, folder, request];
      const lines = (await must(command, args)).trim().split('\n');
      return lines.map((line) => JSON.parse(line) as Row);
    }

    it.each(USERS)(
      'as %s gives what each command has changed',
      async (user) => {
        mkdirSync(join(VICTIM, 'two'), { recursive: true });
        const wrong: object[] = [];
        const rows = await rowsOf(user, CASES);
        for (const { driver, ids, name, results, differences, left } of rows) {
          if (name === undefined) {
            if (left?.length) wrong.push({ driver, left });
            continue;
          }
          if (differences.length > 0) wrong.push({ driver, name, differences });
          for (const [at, step] of (CASES[name] ?? []).entries()) {
            const result = results[at] ?? {};
            if (step.gives === undefined) continue;
            const gives =
              typeof step.gives === 'function' ? step.gives(ids, driver.startsWith('proot')) : step.gives;
            const had = result.members ?? result.error ?? result.code;
            const isRight =
              gives instanceof RegExp
                ? gives.test(String(had))
                : JSON.stringify(had) === JSON.stringify(gives);
            const isPrinted = step.prints === undefined || result.output === step.prints;
            if (!isRight || !isPrinted) wrong.push({ driver, name, at, result, gives: String(gives) });
          }
        }
        expect(wrong).toEqual([]);
        expect(rows.length).toBeGreaterThan(Object.keys(CASES).length);
        expect(readdirSync(VICTIM)).toEqual(['two']);
      },
      900_000,
    );
  },
  asRoot,
);
