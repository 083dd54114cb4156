import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OcislimError } from '../../src/lib/errors.ts';
import { javaBase, readJar } from '../../src/pack/jar.ts';
import { pack } from '../../src/pack/pack.ts';
import { openSource } from '../../src/transports/index.ts';
import { parseLocation } from '../../src/transports/location.ts';
import { testContext } from '../support/context.ts';
import { Random } from '../support/random.ts';
import { requestFor } from '../support/request.ts';
import { tempDir } from '../support/temp.ts';
import { type ZipMember, zipOf } from '../support/zip.ts';

/** The first bytes of a class, compiled for a Java release. */
function classOf(release: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(0xcafebabe, 0);
  bytes.writeUInt16BE(release + 44, 6);
  return bytes;
}

const manifest = (...lines: readonly string[]): ZipMember => {
  return { name: 'META-INF/MANIFEST.MF', content: `Manifest-Version: 1.0\r\n${lines.join('\r\n')}\r\n\r\n` };
};

function written(members: readonly ZipMember[]): string {
  const path = join(tempDir(), 'app.jar');
  writeFileSync(path, zipOf(members));
  return path;
}

const SPRING: readonly ZipMember[] = [
  manifest(
    'Main-Class: org.springframework.boot.loader.launch.JarLauncher',
    'Start-Class: com.example.App',
    'Spring-Boot-Version: 3.3.0',
    'Spring-Boot-Classes: BOOT-INF/classes/',
    'Spring-Boot-Layers-Index: BOOT-INF/layers.idx',
  ),
  { name: 'BOOT-INF/classes/com/example/App.class', content: classOf(21) },
  { name: 'BOOT-INF/lib/spring-core-6.jar', content: 'a', method: 0 },
  { name: 'BOOT-INF/lib/own-1-SNAPSHOT.jar', content: 'b', method: 0 },
  { name: 'org/springframework/boot/loader/launch/JarLauncher.class', content: classOf(17) },
];
const INDEX: ZipMember = {
  name: 'BOOT-INF/layers.idx',
  content: `- "dependencies":
  - "BOOT-INF/lib/spring-core-6.jar"
- "spring-boot-loader":
  - "org/"
- "snapshot-dependencies":
  - "BOOT-INF/lib/own-1-SNAPSHOT.jar"
- "application":
  - "BOOT-INF/classes/"
  - "BOOT-INF/layers.idx"
  - "META-INF/"
`,
};

describe('a jar', () => {
  it('says its main class and for which Java it is', async () => {
    const path = written([
      manifest('Main-Class: com.example.a.very.long.package.name.that.does.not.fit.in', ' to.one.line.App'),
      {
        name: 'com/example/a/very/long/package/name/that/does/not/fit/into/one/line/App.class',
        content: classOf(17),
      },
    ]);
    expect(await readJar(path)).toEqual({
      mainClass: 'com.example.a.very.long.package.name.that.does.not.fit.into.one.line.App',
      release: 17,
    });
  });

  it('of Spring Boot is for the Java that its own classes need, too', async () => {
    expect((await readJar(written([...SPRING, INDEX]))).release).toBe(21);
  });

  it.each<[string, readonly ZipMember[]]>([
    ['no manifest', [{ name: 'a', content: 'a' }]],
    ['no main class', [manifest('Created-By: 17')]],
    ['a main class in a part of its manifest', [manifest('A: b', '', 'Name: x', 'Main-Class: X')]],
  ])('with %s cannot be started', async (_, members) => {
    await expect(readJar(written(members))).rejects.toMatchObject({
      code: 'OCISLIM_INPUT_INVALID',
      message: expect.stringContaining('names no main class'),
    });
  });

  it('is packed whole, and started with java', async () => {
    const { files, config, createdBy } = await packed([
      manifest('Main-Class: App'),
      { name: 'App.class', content: classOf(17) },
    ]);
    expect(files).toEqual([['app', 'app/app.jar']]);
    expect(config).toMatchObject({ Entrypoint: ['java', '-jar', '/app/app.jar'], WorkingDir: '/app' });
    expect(createdBy).toBe('ocislim pack /app/app.jar');
  });

  it('of Spring Boot becomes a layer for each part of its index', async () => {
    const { files, config, origins } = await packed([...SPRING, INDEX]);
    expect(files.map((paths) => paths.filter((path) => /\.(?:jar|class|idx|MF)$/.test(path)))).toEqual([
      ['app/BOOT-INF/lib/spring-core-6.jar'],
      ['app/org/springframework/boot/loader/launch/JarLauncher.class'],
      ['app/BOOT-INF/lib/own-1-SNAPSHOT.jar'],
      ['app/BOOT-INF/classes/com/example/App.class', 'app/BOOT-INF/layers.idx', 'app/META-INF/MANIFEST.MF'],
    ]);
    expect(origins).toEqual(['app', 'app', 'app', 'app']);
    expect(config?.Entrypoint).toEqual([
      'java',
      '-cp',
      '/app',
      'org.springframework.boot.loader.launch.JarLauncher',
    ]);
  });

  it('of Spring Boot keeps the layers of its dependencies when its classes change', async () => {
    const before = await packed([...SPRING, INDEX]);
    const changed = SPRING.map((member) =>
      member.name === 'BOOT-INF/classes/com/example/App.class' ? { ...member, content: classOf(17) } : member,
    );
    const after = await packed([...changed, INDEX]);
    expect(after.diffIds.map((diffId, at) => diffId === before.diffIds[at])).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('of Spring Boot without an index is divided as Spring Boot itself would', async () => {
    const members = SPRING.map((member, at) =>
      at === 0 ? manifest('Main-Class: org.Loader', 'Start-Class: com.example.App') : member,
    );
    expect((await packed(members)).files.map((paths) => paths.at(-1))).toEqual([
      'app/BOOT-INF/lib/spring-core-6.jar',
      'app/org/springframework/boot/loader/launch/JarLauncher.class',
      'app/META-INF/MANIFEST.MF',
    ]);
  });

  it('has a base with a Java that is new enough', () => {
    expect([undefined, 8, 9, 17, 18, 25, 26].map(javaBase)).toEqual(
      [17, 8, 11, 17, 21, 25, 26].map((release) => `eclipse-temurin:${release}-jre`),
    );
  });

  it('never crashes or hangs, whatever was changed', async () => {
    const bytes = zipOf([...SPRING, INDEX]);
    const folder = tempDir();
    const random = new Random(1);
    const damaged = () => {
      const length = random.below(8) === 0 ? random.below(bytes.length) : bytes.length;
      const copy = Buffer.from(bytes.subarray(0, length));
      for (let change = random.below(8); change >= 0 && copy.length > 0; change--)
        copy[random.below(copy.length)] = random.below(256);
      return copy;
    };
    const read = async (jar: Buffer, at: number) => {
      const path = join(folder, `${at}.jar`);
      writeFileSync(path, jar);
      return readJar(path).catch((error: unknown) => error);
    };
    const runs = Number(process.env['OCISLIM_TEST_RANDOM'] ?? 200);
    // Some at a time, since most of it is waiting for files.
    for (let run = 0; run < runs; run += 20) {
      const outcomes = await Promise.all(Array.from({ length: 20 }, damaged).map(read));
      for (const outcome of outcomes.filter((each) => each instanceof Error))
        expect(outcome).toBeInstanceOf(OcislimError);
    }
  }, 600_000);
});

async function packed(members: readonly ZipMember[]) {
  const context = await testContext();
  writeFileSync(join(context.cwd, 'app.jar'), zipOf(members));
  const result = await pack(requestFor('./app.jar', { check: 'off' }), context);
  const { artifact } = await openSource(parseLocation('oci:app.oci'), context);
  if (artifact.kind !== 'image') throw new Error('no image');
  const files: string[][] = [];
  for (const layer of artifact.layers)
    files.push((await context.store.tocs.get(layer)).members.map(({ path }) => path));
  return {
    files,
    config: artifact.config.config,
    origins: result.platforms[0]?.layers.map(({ origin }) => origin),
    diffIds: artifact.config.rootfs.diff_ids,
    createdBy: artifact.config.history?.at(-1)?.created_by,
  };
}
