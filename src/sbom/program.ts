import { openElf, type ReadAt } from '../elf/file.ts';
import { type GoBuildInfo, type GoModule, readGoBuildInfo } from '../elf/go.ts';
import { type RustCrate, readRustCrates } from '../elf/rust.ts';
import { readSections } from '../elf/sections.ts';
import { type FoundPackage, field } from './component.ts';

/** The modules or crates that a program was made of, as Go and `cargo auditable` write them into it; none for others. */
export async function packagesOfProgram(read: ReadAt): Promise<readonly FoundPackage[]> {
  const file = await openElf(read);
  if (file === undefined) return [];
  const sections = await readSections(read, file);
  const go = await readGoBuildInfo(read, sections);
  if (go !== undefined) return goPackages(go);
  return (await readRustCrates(read, sections))?.flatMap(cratePackage) ?? [];
}

/** Go's standard library, the program's own module, and those it depends on. */
function goPackages({ version, main, modules }: GoBuildInfo): readonly FoundPackage[] {
  // `go1.22.3 X:boringcrypto` names experiments, too.
  const release = field(/^go(\S+)/.exec(version)?.[1]);
  const standard: FoundPackage[] =
    release === undefined ? [] : [{ ecosystem: 'golang', name: 'stdlib', version: release }];
  return [...standard, ...[...(main === undefined ? [] : [main]), ...modules].flatMap(modulePackage)];
}

/** What was compiled in is what took a module's place; a folder that did has no name of its own. */
function modulePackage(module: GoModule): readonly FoundPackage[] {
  const { replacement } = module;
  const isFolder = replacement !== undefined && /^(?:\.{0,2}\/|[a-z]:)/i.test(replacement.path);
  const compiled = replacement === undefined || isFolder ? module : replacement;
  const name = field(compiled.path);
  if (name === undefined) return [];
  const version = isFolder || compiled.version === '(devel)' ? undefined : field(compiled.version);
  return [{ ecosystem: 'golang', name, version }];
}

/** What only a build script needed is not in the program. */
function cratePackage({ name, version, isBuildOnly }: RustCrate): readonly FoundPackage[] {
  const [own, said] = [field(name), field(version)];
  if (isBuildOnly || own === undefined || said === undefined) return [];
  return [{ ecosystem: 'cargo', name: own, version: said }];
}
