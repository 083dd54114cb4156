import { copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { openElf, type ReadAt } from '../../src/elf/file.ts';
import { readGoBuildInfo } from '../../src/elf/go.ts';
import { describeElf } from '../../src/elf/program.ts';
import { readSections } from '../../src/elf/sections.ts';
import { must } from '../support/cli.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

async function reading<T>(path: string, use: (read: ReadAt) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await use(async (offset, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    });
  } finally {
    await file.close();
  }
}
const describeFile = (path: string) => reading(path, describeElf);

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** A module with another one in the place of what it asks for, so that nothing is fetched. */
const MODULE = {
  'go.mod':
    'module example.com/app\n\ngo 1.18\n\nrequire example.com/dep v0.1.0\n\nreplace example.com/dep => ./dep\n',
  'main.go':
    'package main\n\nimport "example.com/dep"\n\nvar version = ""\n\nfunc main() { println(dep.Word, version) }\n',
  'dep/go.mod': 'module example.com/dep\n\ngo 1.18\n',
  'dep/dep.go': 'package dep\n\nconst Word = "hello"\n',
};
const CLIENT =
  'package main\n\nimport (\n\t"net/http"\n\t"time"\n)\n\nfunc main() {\n\thttp.Get("https://example.com")\n\ttime.LoadLocation("Europe/Berlin")\n}\n';

describeWithPeers('a Go program', ['go'], () => {
  let folder: string;
  const build = (out: string, environment: NodeJS.ProcessEnv, ...args: readonly string[]) => {
    const env = {
      GOCACHE: join(folder, '.cache'),
      CGO_ENABLED: '0',
      GOFLAGS: '-buildvcs=false',
      ...environment,
    };
    return must('go', ['build', '-o', out, ...args], { cwd: folder, env });
  };

  beforeAll(() => {
    folder = tempDir();
    write(folder, { ...MODULE, 'client/client.go': CLIENT });
    write(folder, { 'zones/zones.go': CLIENT.replace('"time"', '"time"\n\t_ "time/tzdata"') });
  });

  it('tells what `go version -m` tells', async () => {
    await build('app', {}, '-ldflags=-X main.version=1 -s -w', '.');
    const info = await reading(join(folder, 'app'), async (read) => {
      const file = await openElf(read);
      return file && (await readGoBuildInfo(read, await readSections(read, file)));
    });
    const [first = '', ...rest] = (await must('go', ['version', '-m', 'app'], { cwd: folder }))
      .trim()
      .split('\n');
    const told = rest.map((line) => line.trim().split('\t'));
    const rows = (word: string) => told.filter(([each]) => each === word).map(([, ...fields]) => fields);
    expect(`app: ${info?.version}`).toBe(first);
    expect([[info?.path]]).toEqual(rows('path'));
    expect(rows('mod')).toEqual([[info?.main?.path, info?.main?.version]]);
    expect(info?.modules).toMatchObject([
      { path: 'example.com/dep', version: 'v0.1.0', replacement: { path: './dep' } },
    ]);
    const settings = rows('build').map(([setting = '']) => {
      const at = setting.indexOf('=');
      const value = setting.slice(at + 1);
      return [setting.slice(0, at), value.startsWith('"') ? JSON.parse(value) : value];
    });
    expect(info?.settings).toEqual(Object.fromEntries(settings));
    expect(info?.settings['-ldflags']).toBe('-X main.version=1 -s -w');
  });

  it.each([
    ['5', 'v5'],
    ['6', 'v6'],
    ['7', 'v7'],
  ])('has its variant of Arm: GOARM=%s', async (GOARM, variant) => {
    await build(`arm${GOARM}`, { GOARCH: 'arm', GOARM }, '.');
    expect((await describeFile(join(folder, `arm${GOARM}`)))?.platform).toEqual({
      os: 'linux',
      architecture: 'arm',
      variant,
    });
  });

  it('has what it asks of the system, stripped or not', async () => {
    await build('client.bin', {}, './client');
    await build('stripped.bin', {}, '-ldflags=-s -w', './client');
    await build('zones.bin', {}, './zones');
    await build('plain.bin', {}, '.');
    const uses = async (name: string) => (await describeFile(join(folder, name)))?.uses ?? [];
    for (const name of ['client.bin', 'stripped.bin'])
      expect([name, await uses(name)]).toEqual([
        name,
        expect.arrayContaining(['certificates', 'time-zones']),
      ]);
    expect(await uses('zones.bin')).not.toContain('time-zones');
    expect(await uses('plain.bin')).toEqual([]);
  });
});

/** Names of sections and the like, and what is rounded up between them. */
const SLACK = 4096;

describeWithPeers('what stripping saves', ['gcc', 'g++', 'go', 'strip'], () => {
  it.each([
    ['C', 'c.c', '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n', 'gcc -g -o out c.c'],
    ['C++', 'c.cc', '#include <iostream>\nint main() { std::cout << "hello"; }\n', 'g++ -g -o out c.cc'],
    ['static C', 'c.c', 'int main(void) { return 0; }\n', 'gcc -static -o out c.c'],
    [
      'compressed',
      'c.c',
      '#include <stdio.h>\nint main(void) { return 0; }\n',
      'gcc -g -gz -static -o out c.c',
    ],
    [
      'Go',
      'm.go',
      'package main\n\nfunc main() { println("hello") }\n',
      'CGO_ENABLED=0 go build -o out m.go',
    ],
  ])('of %s is what strip does', async (_, name, source, command) => {
    const folder = tempDir();
    write(folder, { [name]: source });
    const env = { GOCACHE: join(folder, '.cache') };
    await must('sh', ['-c', command], { cwd: folder, env });
    const [whole, stripped] = [join(folder, 'out'), join(folder, 'stripped')];
    copyFileSync(whole, stripped);
    await must('strip', [stripped]);
    const saved = statSync(whole).size - statSync(stripped).size;
    const told = (await describeFile(whole))?.debugBytes ?? 0;
    expect(Math.abs(told - saved), `${told} told, ${saved} saved`).toBeLessThan(SLACK);
    expect((await describeFile(stripped))?.debugBytes ?? 0).toBe(0);
  });
});
