import { isoTime } from '../lib/time.ts';
import { isNative, unavailable } from './gnu.ts';
import type { Plan, Wish } from './recipe.ts';

/** The one jar that `$1` stands for, in a folder with the modules of Java it needs: jdeps(1), jlink(1). */
const LINK = `set -e
jar=
for each in $1; do
  case $each in *-sources.jar|*-javadoc.jar|*-tests.jar|*/original-*) continue ;; esac
  if [ -n "$jar" ]; then echo "several jars: $jar and $each" >&2; exit 1; fi
  jar=$each
done
if jar --list --file "$jar" | grep -q '^BOOT-INF/'; then
  echo "$jar: a jar of jars does not tell which modules of Java it needs" >&2; exit 1
fi
modules=$(jdeps --multi-release base --ignore-missing-deps --print-module-deps "$jar")
mkdir "$2"
jlink --add-modules "$modules" --strip-java-debug-attributes --no-header-files --no-man-pages --output "$2/runtime"
cp "$jar" "$2/program.jar"`;

/**
 * The plan for a jar, with a runtime for just that jar where one is wished.
 * @param jar where the plan leaves it; may have a `*`
 */
export function withRuntime(wish: Wish, jar: string, plan: Plan): Plan {
  if (!wish.jlink) return plan;
  if (!isNative(wish.platform, wish.host)) {
    const hint = 'leave out --jlink, and take a base that has Java for that platform';
    throw unavailable('a runtime of Java', wish.platform, hint);
  }
  const folder = `${wish.places.output}/program`;
  return {
    ...plan,
    steps: [...plan.steps, ['sh', '-c', LINK, 'sh', jar, folder]],
    artifact: folder,
    kind: 'folder',
    start: ['runtime/bin/java', '-jar', 'program.jar'],
    tools: [...plan.tools, 'jdeps', 'jlink'],
  };
}

/** The first moment that `jar --date` and Maven's archiver take: the format of zip has no earlier ones. */
const ZIP_BEGINS = Date.UTC(1980, 0, 1, 0, 0, 2) / 1000;

/** A time of files in a jar. */
export function zipTime(seconds: number): string {
  return isoTime(Math.max(seconds, ZIP_BEGINS));
}
