import { posix } from 'node:path';
import type { Node } from '../rootfs/tree.ts';
import { type Finding, finding } from './finding.ts';
import { type Subject, variable } from './subject.ts';

/** Says whether the image's Java is new enough for a jar. */
export function checkJava(java: Node, subject: Subject): readonly Finding[] {
  const { jar, base } = subject;
  const release = releaseOf(java, subject);
  if (jar?.release === undefined || release === undefined || release >= jar.release) return [];
  return [
    finding(
      'java-version',
      `${jar.path} was compiled for Java ${jar.release}, but ${base} has Java ${release}: it would die with UnsupportedClassVersionError`,
      `compile it with --release ${release}, or choose a base with Java ${jar.release}, such as eclipse-temurin:${jar.release}-jre`,
    ),
  ];
}

/** The Java release of a runtime, by the file `release` beside its `bin`; undefined where it has none. */
function releaseOf(java: Node, { tree, config }: Subject): number | undefined {
  const bin = posix.dirname(`/${java.path}`);
  // Java 8 has it beside the folder `jre`.
  const homes = [posix.join(bin, '..'), posix.join(bin, '../..'), variable(config, 'JAVA_HOME')];
  for (const home of homes) {
    const text = home === undefined ? undefined : tree.lookup(posix.join(home, 'release'))?.facts?.text;
    const [, old, current] = /^JAVA_VERSION="(?:1\.(\d+)|(\d+))/m.exec(text ?? '') ?? [];
    if (old !== undefined || current !== undefined) return Number(old ?? current);
  }
  return undefined;
}
