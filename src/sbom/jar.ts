import { posix } from 'node:path';
import { fromBufferPromise, type Entry as ZipEntry, type ZipFile } from 'yauzl';
import { type FoundPackage, field } from './component.ts';

/** Jars in jars in jars; no build tool goes deeper. */
const DEPTH = 3;
const MEMBERS = 200_000;
const TEXT_LIMIT = 256 * 1024;
/** A jar within a jar is held in memory, and all of them together are no more than this. */
const NESTED_LIMIT = 64 * 1024 * 1024;
const TOTAL_LIMIT = 512 * 1024 * 1024;

const POM = /^(?:.*\/)?META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
const ARCHIVE = /\.(?:jar|war|ear)$/i;

/** What is left to be read of a jar, and of those within. */
interface Budget {
  bytes: number;
  members: number;
}

/**
 * The packages that a jar is made of: those that Maven's records in it name, else the one that its manifest or its own
 * name does; and those of the jars within, as Spring Boot and web applications have them.
 * @param name the jar's path
 * @throws Error where it is no zip, or damaged
 */
export async function packagesOfJar(zip: ZipFile, name: string): Promise<readonly FoundPackage[]> {
  return read(zip, name, 1, { bytes: TOTAL_LIMIT, members: MEMBERS });
}

async function read(
  zip: ZipFile,
  name: string,
  depth: number,
  budget: Budget,
): Promise<readonly FoundPackage[]> {
  const poms: FoundPackage[] = [];
  const nested: FoundPackage[] = [];
  let manifest = '';
  for await (const member of zip.eachEntry()) {
    if (--budget.members < 0) break;
    const path = member.fileNameRaw.toString('utf8');
    if (POM.test(path)) poms.push(...parsePom((await content(zip, member, TEXT_LIMIT, budget)).toString()));
    else if (path === 'META-INF/MANIFEST.MF')
      manifest = (await content(zip, member, TEXT_LIMIT, budget)).toString();
    else if (ARCHIVE.test(path) && depth < DEPTH) {
      const bytes = await content(zip, member, NESTED_LIMIT, budget);
      // One that is damaged is not read; the others are.
      const inner = await openNested(bytes);
      if (inner !== undefined) nested.push(...(await read(inner, path, depth + 1, budget).catch(() => [])));
    }
  }
  const own = poms.length > 0 ? poms : fromManifest(manifest, posix.basename(name));
  return [...own, ...nested];
}

async function openNested(bytes: Buffer): Promise<ZipFile | undefined> {
  return fromBufferPromise(bytes, { decodeStrings: false }).catch(() => undefined);
}

/** A member's content; empty where it is larger than it may be, whatever it says of its size. */
async function content(zip: ZipFile, member: ZipEntry, limit: number, budget: Budget): Promise<Buffer> {
  const most = Math.min(limit, budget.bytes);
  if (member.uncompressedSize > most || member.isEncrypted()) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of await zip.openReadStreamPromise(member)) {
    size += (chunk as Buffer).length;
    if (size > most) return Buffer.alloc(0);
    chunks.push(chunk as Buffer);
  }
  budget.bytes -= size;
  return Buffer.concat(chunks);
}

/** `META-INF/maven/GROUP/ARTIFACT/pom.properties`, as Maven and its archiver write it. */
export function parsePom(text: string): readonly FoundPackage[] {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/).slice(0, 100)) {
    const [, key, value] = /^\s*([\w.]+)\s*[=:]\s*(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) fields.set(key, value);
  }
  const group = field(fields.get('groupId'));
  const name = field(fields.get('artifactId'));
  const version = field(fields.get('version'));
  if (group === undefined || name === undefined || version === undefined) return [];
  return [{ ecosystem: 'maven', group, name, version }];
}

/** A jar of another tool: its name and version in the file's name, else in its manifest (JAR File Specification). */
function fromManifest(text: string, file: string): readonly FoundPackage[] {
  const [main = ''] = text.replace(/\r\n?/g, '\n').replaceAll('\n ', '').split('\n\n', 1);
  const attributes = new Map<string, string>();
  for (const line of main.split('\n')) {
    const at = line.indexOf(': ');
    if (at > 0) attributes.set(line.slice(0, at).toLowerCase(), line.slice(at + 2));
  }
  const [, stem, tail] = /^(.+?)-(\d[\w.+-]*)$/.exec(file.replace(ARCHIVE, '')) ?? [];
  const said = ['implementation-version', 'bundle-version', 'specification-version'].map((key) =>
    field(attributes.get(key)),
  );
  const version = field(tail) ?? said.find((each) => each !== undefined);
  const title = field(attributes.get('implementation-title')) ?? field(attributes.get('bundle-name'));
  const name =
    field(stem) ?? (version === undefined ? undefined : (title ?? field(file.replace(ARCHIVE, ''))));
  if (name === undefined) return [];
  const group = field(attributes.get('implementation-vendor-id'));
  return [{ ecosystem: 'maven', name, group, version, licence: licenceOf(attributes.get('bundle-license')) }];
}

/** An identifier, or an address (OSGi Core, `Bundle-License`) of which one is told. */
function licenceOf(text: string | undefined): string | undefined {
  const first = field(text?.split(/[;,]/, 1)[0]?.replaceAll('"', ''));
  return first !== undefined && /apache\.org\/licenses\/LICENSE-2\.0/i.test(first) ? 'Apache-2.0' : first;
}
