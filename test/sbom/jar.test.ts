import { describe, expect, it } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { packagesOfJar } from '../../src/sbom/jar.ts';
import { zipOf } from '../support/zip.ts';

async function packagesOf(bytes: Buffer, name = 'app.jar') {
  return packagesOfJar(await fromBufferPromise(bytes, { decodeStrings: false }), name);
}

const pom = (group: string, name: string, version: string) => ({
  name: `META-INF/maven/${group}/${name}/pom.properties`,
  content: `groupId=${group}\nartifactId=${name}\nversion=${version}\n`,
});
const manifest = (content: string) => ({ name: 'META-INF/MANIFEST.MF', content });

describe('a jar', () => {
  it("tells what Maven's records in it name, those that were shaded in as well", async () => {
    const bytes = zipOf([pom('org.me', 'app', '1.0'), pom('org.other', 'lib', '2.0')]);
    expect(await packagesOf(bytes)).toEqual([
      { ecosystem: 'maven', group: 'org.me', name: 'app', version: '1.0' },
      { ecosystem: 'maven', group: 'org.other', name: 'lib', version: '2.0' },
    ]);
  });

  it('of Spring Boot tells the jars within', async () => {
    const inner = zipOf([pom('org.slf4j', 'slf4j-api', '2.0.9')]);
    const plain = zipOf([
      manifest(
        'Implementation-Vendor-Id: org.plain\r\nBundle-License: "https://www.apa\r\n che.org/licenses/LICENSE-2.0.txt"\r\n',
      ),
    ]);
    const bytes = zipOf([
      pom('org.me', 'app', '1.0'),
      { name: 'BOOT-INF/lib/slf4j-api-2.0.9.jar', content: inner, method: 0 },
      { name: 'BOOT-INF/lib/plain-lib-3.1.RELEASE.jar', content: plain },
      { name: 'BOOT-INF/lib/broken-1.0.jar', content: 'no zip' },
    ]);
    expect(await packagesOf(bytes)).toEqual([
      { ecosystem: 'maven', group: 'org.me', name: 'app', version: '1.0' },
      { ecosystem: 'maven', group: 'org.slf4j', name: 'slf4j-api', version: '2.0.9' },
      {
        ecosystem: 'maven',
        group: 'org.plain',
        name: 'plain-lib',
        version: '3.1.RELEASE',
        licence: 'Apache-2.0',
      },
    ]);
  });

  it('without any record is what its manifest says', async () => {
    const bytes = zipOf([manifest('Implementation-Title: My App\nImplementation-Version: 1.2\n')]);
    expect(await packagesOf(bytes)).toMatchObject([{ name: 'My App', version: '1.2', group: undefined }]);
    expect(await packagesOf(zipOf([manifest('Main-Class: x\n')]))).toEqual([]);
  });

  it('in a jar in a jar without end is looked into no further than real ones go', async () => {
    let bytes = zipOf([pom('deep', 'deepest', '1')]);
    for (let depth = 1; depth < 6; depth++)
      bytes = zipOf([pom('deep', `level-${depth}`, '1'), { name: 'in.jar', content: bytes }]);
    expect((await packagesOf(bytes)).map(({ name }) => name)).toEqual(['level-5', 'level-4', 'level-3']);
  });

  it('that unpacks to far more than it says, or says far more than it has, is not held in memory', async () => {
    const bomb = { name: 'in.jar', content: Buffer.alloc(65 * 1024 * 1024) };
    expect(await packagesOf(zipOf([pom('me', 'app', '1'), bomb]))).toHaveLength(1);
    const liar = { name: 'in.jar', content: 'x', size: 0x7fffffff };
    expect(await packagesOf(zipOf([pom('me', 'app', '1'), liar]))).toHaveLength(1);
  });
});
