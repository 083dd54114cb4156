// Runs steps, each in the root that the layers of those before make, in each driver that works; prints their layers, and
// where a root is not what the layers' merged tree says.

import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MediaType } from '#oci-spec-types';
import { runLayer } from '../../../src/build/run-layer.ts';
import type { Layer } from '../../../src/image/model.ts';
import { readTar } from '../../../src/layer/tar-reader.ts';
import type { TocMember } from '../../../src/layer/toc.ts';
import { silent } from '../../../src/lib/progress.ts';
import { storeLayer } from '../../../src/pack/assemble.ts';
import { opened } from '../../../src/rootfs/attributes.ts';
import { mergeTocs } from '../../../src/rootfs/tree.ts';
import { drivers, probeDriver } from '../../../src/sandbox/choose.ts';
import type { Driver } from '../../../src/sandbox/driver.ts';
import { ROOT, type Room } from '../../../src/sandbox/room.ts';
import { Store } from '../../../src/store/store.ts';
import type { Context } from '../../../src/transports/context.ts';

/** A step is a script, or what is to be made of one. */
interface Step {
  readonly script: string;
  /** Makes a layer of these instead, as COPY does. */
  readonly add?: readonly { readonly path: string; readonly content: string }[];
  readonly mounts?: Room['mounts'];
  readonly identity?: typeof ROOT;
  readonly abortOn?: string;
  readonly cwd?: string;
  /** Forgets the roots that are kept before it. */
  readonly forget?: boolean;
}

const [folder = '', request = ''] = process.argv.slice(2);
const { bases, cases, only, limits } = JSON.parse(readFileSync(request, 'utf8')) as {
  bases: readonly { path: string; gzip: boolean }[];
  cases: Readonly<Record<string, readonly Step[]>>;
  only: string;
  limits: Room['limits'];
};
const CREATED = 1_700_000_000;

const OTHER: Readonly<Record<string, string>> = { hardlink: ' => ', symlink: ' -> ' };
const KINDS: Readonly<Record<number, string>> = { 4: 'directory', 8: 'file', 10: 'symlink', 1: 'fifo' };
const LIST = `find / '(' -path /proc -o -path /dev -o -path /mnt -o -path /etc/resolv.conf ')' -prune -o -exec stat -c '%f %u %g %s %n//' {} +`;

let count = 0;
for (const driver of drivers().filter(({ title }) => title.startsWith(only))) {
  const never = new AbortController().signal;
  const place = async () => join(folder, `probe-${process.pid}-${count++}`);
  const { works } = await probeDriver(driver, { place, memo: '', signal: never });
  if (!works) continue;
  const store = await Store.open(join(folder, `store-${process.pid}-${count++}`));
  const base = await Promise.all(bases.map((each) => layerOf(store, each)));
  for (const [name, steps] of Object.entries(cases)) {
    const layers = [...base];
    const results: object[] = [];
    for (const step of steps) results.push(await take(step, layers, driver, store));
    const differences = await compare(layers, driver, store).catch((error: unknown) => [String(error)]);
    console.log(JSON.stringify({ driver: driver.title, ids: driver.files.ids, name, results, differences }));
  }
  const { readdirSync } = await import('node:fs');
  console.log(JSON.stringify({ driver: driver.title, left: readdirSync(join(store.root, 'tmp')) }));
  await store.close();
}

async function layerOf(store: Store, { path, gzip }: { path: string; gzip: boolean }): Promise<Layer> {
  const stored = await store.put(createReadStream(path));
  const bytes = readFileSync(path);
  const tar = gzip ? (await import('node:zlib')).gunzipSync(bytes) : bytes;
  const descriptor = { mediaType: gzip ? MediaType.LayerGzip : MediaType.Layer, ...stored };
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}` as Layer['diffId'];
  return { descriptor, diffId, open: (options) => store.open(descriptor, options) };
}

function contextOf(store: Store, signal: AbortSignal): Context {
  const registry = () => Promise.reject(new Error('no registry'));
  return { store, registry, progress: silent, signal, cwd: '/', env: {}, offline: true };
}

async function execute(step: Step, layers: readonly Layer[], driver: Driver, store: Store) {
  const controller = new AbortController();
  let output = '';
  const onOutput = (chunk: Buffer) => {
    output += chunk.toString('latin1');
    if (step.abortOn !== undefined && output.includes(step.abortOn)) controller.abort(new Error('stopped'));
  };
  const { script, mounts = [], identity = ROOT, cwd = '/' } = step;
  const env = { PATH: '/bin:/usr/bin:/sbin:/usr/sbin' };
  const order = { args: ['/bin/sh', '-c', script], env, cwd, identity };
  const room = { mounts, network: 'none', hostname: 'box', limits: limits ?? {} } as const;
  const tree = mergeTocs(await Promise.all(layers.map((layer) => store.tocs.get(layer))));
  const result = await runLayer(
    { layers, tree, driver, room, order, created: CREATED, onOutput },
    contextOf(store, controller.signal),
  );
  return { ...result, output };
}

async function take(step: Step, layers: Layer[], driver: Driver, store: Store): Promise<object> {
  if (step.forget) {
    const { removeTree } = await import('../../../src/lib/remove-tree.ts');
    await removeTree(join(store.root, 'roots'));
  }
  if (step.add !== undefined) {
    const { file } = await import('../entries.ts');
    const entries = step.add.map(({ path, content }) => file(path, content, { mtime: CREATED }));
    const never = new AbortController().signal;
    layers.push(await storeLayer(entries, { kind: 'none' }, contextOf(store, never)));
    return {};
  }
  try {
    const { code, layer, output } = await execute(step, layers, driver, store);
    if (layer === undefined) return { code, output };
    layers.push(layer);
    return { code, output, members: await membersOf(layer) };
  } catch (error) {
    return { error: String(error) };
  }
}

async function membersOf(layer: Layer): Promise<readonly string[]> {
  const members: string[] = [];
  await readTar(await layer.open(), (member) => {
    const { path, type, mode, uid, gid, mtime, size, linkname, xattrs = new Map<string, Buffer>() } = member;
    const link = linkname === undefined ? '' : `${OTHER[type]}${linkname}`;
    const bytes = type === 'file' ? ` ${size}` : '';
    const named = [...xattrs].map(([key, value]) => ` ${key}=${value.toString('base64')}`).join('');
    const time = mtime === CREATED ? '' : ` @${mtime}`;
    const name = JSON.stringify(path).slice(1, -1);
    members.push(`${type} ${mode.toString(8)} ${uid}:${gid} ${name}${link}${bytes}${named}${time}`);
  });
  return members;
}

/** What a user with one id could not read it had to make readable; set-uid bits of others it could not keep. */
function rightsOf(type: string, mode: number, ids: string): string {
  const had = ids === 'one' ? opened(type as TocMember['type'], mode) & 0o777 : mode;
  return had.toString(8);
}

/** What the next command sees against what the layers say. */
async function compare(layers: readonly Layer[], driver: Driver, store: Store): Promise<readonly string[]> {
  const { code, output, layer } = await execute({ script: LIST }, layers, driver, store);
  const { ids } = driver.files;
  const seen = new Set<string>();
  for (const line of output.split('//\n').filter(Boolean)) {
    const [, hex = '', uid, gid, size, path = ''] = /^(\w+) (\d+) (\d+) (\d+) \/(.*)$/s.exec(line) ?? [];
    const mode = Number.parseInt(hex, 16);
    const kind = KINDS[mode >> 12] ?? 'other';
    if (['', 'etc/hosts'].includes(path)) continue;
    const bytes = kind === 'file' || kind === 'symlink' ? size : '';
    const rights = kind === 'symlink' ? '' : rightsOf(kind, mode & 0o7777, ids);
    seen.add(`${kind} ${rights} ${ids === 'one' ? '' : `${uid}:${gid}`} ${bytes} ${path}`);
  }
  const { systemPath } = await import('../../../src/layer/byte-text.ts');
  const expected = new Set<string>();
  for (const node of mergeTocs(await Promise.all(layers.map((each) => store.tocs.get(each)))).all()) {
    const { type, mode, uid, gid, size, linkname = '' } = node;
    const path = Buffer.from(systemPath(node.path)).toString('latin1');
    if (/^(?:proc|dev|mnt)(?:\/|$)|^etc\/hosts$/.test(path)) continue;
    const bytes = type === 'file' ? size : type === 'symlink' ? Buffer.byteLength(linkname) : '';
    const rights = type === 'symlink' ? '' : rightsOf(type, mode, ids);
    expected.add(`${type} ${rights} ${ids === 'one' ? '' : `${uid}:${gid}`} ${bytes} ${path}`);
  }
  return [
    ...(code === 0 && layer === undefined && seen.size > 0
      ? []
      : [`the listing: ${code} ${output.slice(-300)}`]),
    ...[...seen].filter((line) => !expected.has(line)).map((line) => `only there: ${line}`),
    ...[...expected].filter((line) => !seen.has(line)).map((line) => `not there: ${line}`),
  ].slice(0, 12);
}
