import { missingTools } from './host.ts';

/** What each language takes, by the name that people know it by. */
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  Go: ['go'],
  Rust: ['cargo', 'rustc'],
  C: ['gcc'],
  'C++': ['g++'],
  Make: ['make'],
  CMake: ['cmake'],
  Meson: ['meson', 'ninja'],
  Java: ['javac', 'jar'],
  jlink: ['jlink', 'jdeps'],
  Maven: ['mvn'],
  'Node.js': ['node', 'npm'],
};

/** Which languages can be compiled on this machine, and which not. */
export async function toolchainsHere(
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly found: readonly string[]; readonly missing: readonly string[] }> {
  const names = Object.keys(TOOLS);
  const lacking = await Promise.all(names.map((name) => missingTools({ tools: TOOLS[name] ?? [] }, env)));
  const isFound = (_: string, at: number) => lacking[at]?.length === 0;
  return { found: names.filter(isFound), missing: names.filter((name, at) => !isFound(name, at)) };
}
