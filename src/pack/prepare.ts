import { realpath } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type ContainerConfig, formatPlatform, shortDigest } from '#oci-spec-types';
import { checkImage } from '../check/check.ts';
import { hasCertificates, hasTimeZones } from '../check/facilities.ts';
import type { Finding } from '../check/finding.ts';
import { checkSecret, maybeSecret } from '../check/secrets.ts';
import type { Image } from '../image/model.ts';
import { type ConfigChanges, changeConfig } from '../image/mutate.ts';
import type { Entry } from '../layer/entry.ts';
import { factsOf, mayHaveFacts } from '../layer/facts.ts';
import type { Toc, TocMember } from '../layer/toc.ts';
import { placeEntries } from '../rootfs/place.ts';
import { mergeTocs, type Tree } from '../rootfs/tree.ts';
import type { Context } from '../transports/context.ts';
import type { Base } from './base.ts';
import type { Input } from './inputs.ts';
import type { Dependent } from './libraries.ts';
import { type Payload, payloadOf } from './payload.ts';
import type { PackRequest } from './request.ts';

/** One platform's image, planned and judged; nothing of it is written yet. */
export interface Prepared {
  readonly input: Input;
  readonly image: Image | undefined;
  /** What was packed, by its path in the image. */
  readonly place: string;
  /** Entries in their places on the base, for each layer from the lowest. */
  readonly layers: readonly (readonly Entry[])[];
  readonly config: ConfigChanges;
  readonly findings: readonly Finding[];
}

/** Fits an input onto its base, brings along what it was told to, and looks whether the program will start there. */
export async function prepare(
  input: Input,
  name: string,
  base: Base,
  request: PackRequest,
  context: Context,
): Promise<Prepared> {
  const image = await base.image(input.platform);
  const payload = await payloadOf(input, name, request, context);
  const config = configOf(payload, image, request);
  const whole = changeConfig(image?.config.config ?? {}, config);
  const tocs = await tocsOf(image, context);
  const withFacts = request.check !== 'off' || request.withLibs;
  const wanted = await place(payload.layers, tocs, request.created, withFacts);
  const brought = await bringAlong(input, payload, wanted.tree, whole, request, context);
  const groups = [...payload.layers.slice(0, -1), [...(payload.layers.at(-1) ?? []), ...brought.entries]];
  const { tree, layers, added } =
    brought.entries.length === 0 ? wanted : await place(groups, tocs, request.created, withFacts);
  const prepared = { input, image, place: payload.place, layers, config };
  if (request.check === 'off') return { ...prepared, findings: [] };
  const { platform } = input;
  const subject = { tree, config: whole, platform, base: base.name, added, jar: payload.jar };
  const findings = [
    ...(await checkImage(subject)),
    ...brought.findings,
    ...(await checkSecrets(payload.layers.flat())),
  ];
  const ignored = new Set<string>(request.ignore);
  return { ...prepared, findings: findings.filter(({ rule }) => !ignored.has(rule)) };
}

function configOf(payload: Payload, image: Image | undefined, request: PackRequest): ConfigChanges {
  const suggested = image?.config.config?.WorkingDir ? undefined : payload.workdir;
  return {
    ...request.config,
    entrypoint: request.config.entrypoint ?? payload.entrypoint,
    workdir: request.config.workdir ?? suggested,
  };
}

/** Entries in their places on the base, for each layer from the lowest, and the tree that they make with it. */
async function place(
  groups: readonly (readonly Entry[])[],
  tocs: readonly Toc[],
  mtime: number,
  withFacts: boolean,
): Promise<Pick<Prepared, 'layers'> & { readonly tree: Tree; readonly added: readonly string[] }> {
  const tree = mergeTocs(tocs);
  const layers: (readonly Entry[])[] = [];
  const added = new Set<string>();
  for (const group of groups) {
    const entries = placeEntries(group, tree, mtime);
    layers.push(entries);
    const members: TocMember[] = [];
    for (const entry of entries) members.push(await memberOf(entry, withFacts));
    tree.apply({ members });
    for (const { path, type } of entries) if (type === 'file') added.add(path);
  }
  return { tree, layers, added: [...added] };
}

/** The tables of contents of an image's layers; none for `scratch`. Reads no layer that was read before. */
export async function tocsOf(image: Image | undefined, context: Context): Promise<readonly Toc[]> {
  const { store, signal, progress } = context;
  const tocs: Toc[] = [];
  for (const layer of image?.layers ?? []) {
    const toc = await store.tocs.get(layer, { signal });
    if (!toc.ended)
      progress.warn(`base layer ${shortDigest(layer.descriptor.digest)} has no end: it may be cut short`);
    tocs.push(toc);
  }
  return tocs;
}

/** What `--with-libs`, `--with-certs` and `--with-tzdata` add, where the base has not got it. */
async function bringAlong(
  input: Input,
  payload: Payload,
  /** Of the image as asked for, program and additions included. */
  tree: Tree,
  config: ContainerConfig,
  { withLibs, withCerts, withTzdata, libsFrom, created }: PackRequest,
  context: Context,
): Promise<{ readonly entries: readonly Entry[]; readonly findings: readonly Finding[] }> {
  if (!withLibs && !withCerts && !withTzdata) return { entries: [], findings: [] };
  const { openFileSource } = await import('./file-source.ts');
  const entries: Entry[] = [];
  const findings: Finding[] = [];
  if (withCerts && !hasCertificates(tree, config)) {
    const { certificatesEntry } = await import('../transports/static/files.ts');
    entries.push(certificatesEntry(created));
  }
  const dependents = withLibs ? await dependentsOf(input, payload, tree) : [];
  if (dependents.length === 0 && !withTzdata) return { entries, findings };
  const from = await openFileSource(libsFrom ?? 'host', input.platform, context);
  const { BroughtFiles, bringLibraries, bringTimeZones } = await import('./libraries.ts');
  const files = new BroughtFiles(from, created);
  for (const dependent of dependents)
    findings.push(...(await bringLibraries(dependent, tree, config, files)));
  const what = files
    .entries()
    .map(({ path }) => `/${path}`)
    .join(', ');
  const platform = formatPlatform(input.platform);
  if (what !== '') context.progress.note(`${platform}: brought along from ${from.name}: ${what}`);
  if (withTzdata && !hasTimeZones(tree, config)) await bringTimeZones(files);
  return { entries: [...entries, ...files.entries()], findings };
}

/** Files of an input that need libraries: a program, or all programs and libraries of a folder. */
async function dependentsOf({ source }: Input, payload: Payload, tree: Tree): Promise<readonly Dependent[]> {
  const [dest] = payload.entrypoint;
  if (dest === undefined) return [];
  if (source.kind === 'program') {
    const { elf } = source.facts;
    return elf?.interpreter === undefined ? [] : [{ dest, path: await realpath(source.path), elf }];
  }
  if (source.kind !== 'folder') return [];
  const interpreter = tree.lookup(dest)?.facts?.elf?.interpreter;
  const files = payload.layers
    .flat()
    .filter(({ type, path }) => type === 'file' && isBelow(path, payload.place));
  const own = new Set(files.map(({ path }) => posix.basename(path)));
  return files.flatMap(({ path }) => {
    const elf = tree.lookup(path)?.facts?.elf;
    if (elf?.linkage === undefined || interpreter === undefined) return [];
    const dependent = {
      dest: `/${path}`,
      path: join(source.path, posix.relative(payload.place, `/${path}`)),
      own,
    };
    // A library is loaded by the loader of the program.
    return [{ ...dependent, elf: { ...elf, interpreter } }];
  });
}

function isBelow(path: string, folder: string): boolean {
  return `/${path}`.startsWith(`${folder}/`);
}

/** An entry as the layer's table of contents will have it. */
async function memberOf(entry: Entry, withFacts: boolean): Promise<TocMember> {
  const { open, chunks: _, ...rest } = entry;
  const member = { ...rest, size: entry.size ?? 0 };
  if (!withFacts || entry.facts !== undefined || open === undefined || !mayHaveFacts(member)) return member;
  return { ...member, facts: await factsOf(member, await open()) };
}

async function checkSecrets(entries: readonly Entry[]): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { path, size = 0, open } of entries) {
    if (open === undefined || !maybeSecret(path, size)) continue;
    const chunks: Buffer[] = [];
    for await (const chunk of await open()) chunks.push(chunk as Buffer);
    const found = checkSecret(path, Buffer.concat(chunks).toString('utf8'));
    if (found !== undefined) findings.push(found);
  }
  return findings;
}
