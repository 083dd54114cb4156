import type { Entry as ZipEntry } from 'yauzl';
import type { Jar } from '../check/subject.ts';
import type { Entry } from '../layer/entry.ts';
import { OcislimError } from '../lib/errors.ts';
import { readBundle } from './bundle.ts';
import type { JarFile } from './inputs.ts';
import { invalid, openMember, openZip, unreadable } from './zip.ts';

/** What a jar says of itself. */
export interface JarFacts {
  readonly mainClass: string;
  /** The Java release that its main class needs; undefined where the class is not in the jar. */
  readonly release?: number | undefined;
  /** Folders and files of the layers that Spring Boot divides it into, lowest first; undefined for other jars. */
  readonly layers?: readonly (readonly string[])[] | undefined;
}

const MANIFEST = 'META-INF/MANIFEST.MF';
const TEXT_LIMIT = 1024 * 1024;
/** Class files of Java 1.0 have version 45. */
const FIRST_VERSION = 44;

/**
 * Reads a jar's manifest, and for which Java it was compiled (JAR File Specification; JVMS 4.1).
 * @throws OCISLIM_INPUT_INVALID for a jar that `java -jar` would not start; OCISLIM_ARCHIVE_INVALID
 */
export async function readJar(path: string): Promise<JarFacts> {
  const { zip, found, nameOf } = await openZip(path);
  try {
    const members = new Map<string, ZipEntry>();
    for await (const member of zip.eachEntry()) members.set(nameOf(member), member);
    const content = async (name: string, limit = TEXT_LIMIT) => {
      const member = members.get(name);
      if (member === undefined) return undefined;
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of await openMember(path, found, member, name)) {
        chunks.push(chunk as Buffer);
        size += (chunk as Buffer).length;
        if (size >= limit) break;
      }
      return Buffer.concat(chunks).subarray(0, limit);
    };
    const attributes = parseManifest((await content(MANIFEST))?.toString('utf8') ?? '');
    const mainClass = attributes.get('main-class');
    if (mainClass === undefined) {
      throw new OcislimError('OCISLIM_INPUT_INVALID', `${path}: names no main class in ${MANIFEST}`, {
        hint: 'build an executable jar (Maven: maven-jar-plugin with <mainClass>, or Spring Boot; Gradle: Main-Class in the jar task)',
      });
    }
    const start = attributes.get('start-class');
    const folder = attributes.get('spring-boot-classes') ?? 'BOOT-INF/classes/';
    const classes = [classFile(mainClass), start === undefined ? undefined : `${folder}${classFile(start)}`];
    const releases: number[] = [];
    for (const name of classes) {
      const bytes = name === undefined ? undefined : await content(name, 8);
      if (bytes?.length === 8 && bytes.readUInt32BE(0) === 0xcafebabe)
        releases.push(bytes.readUInt16BE(6) - FIRST_VERSION);
    }
    const release = releases.length === 0 ? undefined : Math.max(...releases);
    if (!attributes.has('spring-boot-version') && start === undefined) return { mainClass, release };
    const index = await content(attributes.get('spring-boot-layers-index') ?? 'BOOT-INF/layers.idx');
    const layers = index === undefined ? SPRING_LAYERS : parseLayers(path, index.toString('utf8'));
    return { mainClass, release, layers };
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    zip.close();
  }
}

function classFile(name: string): string {
  return `${name.replaceAll('.', '/')}.class`;
}

/** The main attributes, by their names in lower case; a line that begins with a space goes on with the one before. */
function parseManifest(text: string): ReadonlyMap<string, string> {
  const [main = ''] = text.replace(/\r\n?/g, '\n').split(/\n\n/, 1);
  const lines = main.replaceAll('\n ', '').split('\n');
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf(': ');
      return at < 1 ? [] : [[line.slice(0, at).toLowerCase(), line.slice(at + 2).trim()] as const];
    }),
  );
}

/** Spring Boot's own division, for jars that have no index of it. */
const SPRING_LAYERS = [['BOOT-INF/lib/', 'WEB-INF/lib/', 'WEB-INF/lib-provided/'], ['org/'], ['']];

/** The index is a list of names, each with a list of folders and files (Spring Boot reference, "Layer Index"). */
function parseLayers(path: string, text: string): readonly (readonly string[])[] {
  const layers: string[][] = [];
  for (const line of text.split(/\r?\n/)) {
    if (/^- "[^"]*":$/.test(line)) layers.push([]);
    const [, item] = /^ {2}- "([^"]*)"$/.exec(line) ?? [];
    if (item !== undefined) layers.at(-1)?.push(item);
  }
  if (layers.length === 0) throw invalid(path, 'has an index of layers that cannot be read');
  return layers;
}

/** The layers of an image that runs a jar, lowest first, and how it is started. */
export interface JarPayload {
  readonly layers: readonly (readonly Entry[])[];
  readonly entrypoint: readonly string[];
  readonly jar: Jar;
}

export interface JarOptions {
  /** Folder of the image, absolute. */
  readonly folder: string;
  readonly name: string;
  readonly mtime: number;
  readonly signal: AbortSignal;
}

/**
 * A jar as it is, or one of Spring Boot unpacked in layers, so that a change of its classes leaves the layers of its
 * dependencies as they are.
 */
export async function jarPayload(
  source: Pick<JarFile, 'path' | 'size' | 'open' | 'chunks'>,
  { folder, name, mtime, signal }: JarOptions,
): Promise<JarPayload> {
  const { mainClass, release, layers } = await readJar(source.path);
  if (layers === undefined) {
    const path = `${folder}/${name}.jar`;
    const owner = { uid: 0, gid: 0, mtime };
    const { size, open, chunks } = source;
    const entry: Entry = { path: path.slice(1), type: 'file', mode: 0o644, ...owner, size, open, chunks };
    return { layers: [[entry]], entrypoint: ['java', '-jar', path], jar: { path, release } };
  }
  const entries = await readBundle(source.path, { prefix: folder.slice(1), mtime, signal });
  const files = entries.filter(({ type }) => type !== 'directory');
  const groups = layers.map(() => [] as Entry[]);
  for (const entry of files) {
    const member = entry.path.slice(folder.length);
    const at = layers.findIndex((items) => items.some((item) => belongs(member, item)));
    groups.at(at === -1 ? groups.length - 1 : at)?.push({ ...entry, mode: 0o644 });
  }
  return {
    layers: groups.filter((group) => group.length > 0),
    entrypoint: ['java', '-cp', folder, mainClass],
    jar: { path: folder, release },
  };
}

function belongs(member: string, item: string): boolean {
  return item === '' || item.endsWith('/') ? member.startsWith(item) : member === item;
}

/** Releases with long support; images of others come and go. */
const LONG_SUPPORTED = [8, 11, 17, 21, 25];

/** A base with the Java that a jar needs. */
export function javaBase(release: number | undefined): string {
  const chosen = LONG_SUPPORTED.find((each) => each >= (release ?? 17)) ?? release;
  return `eclipse-temurin:${chosen}-jre`;
}
