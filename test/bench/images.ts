import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { alpineBases, writeBaseLayout } from '../support/bases.ts';
import { must } from '../support/cli.ts';
import { debianWith } from '../support/toolchains.ts';
import type { Bench } from './place.ts';

/** Alpine, or what stands in for it, in the registry; gives its name. */
export async function pushAlpine(bench: Bench): Promise<string> {
  const [base] = alpineBases();
  if (base === undefined) throw new Error('no base');
  const folder = bench.folder('alpine');
  writeBaseLayout(folder, base);
  const name = `${bench.host}/alpine:3`;
  await preparing(bench, ['copy', `oci:${folder}`, `docker://${name}`, '-q']);
  return name;
}

/**
 * Debian with this machine's Go in the registry, in two gzipped layers; gives its name. With what else golang images have:
 * git and binutils, as far as they are installed here.
 * @param variant images with other numbers have no layer in common
 */
export async function pushGolang(bench: Bench, variant: number): Promise<string> {
  const folder = bench.folder('golang');
  const mark = join(folder, 'variant');
  mkdirSync(mark);
  writeFileSync(join(mark, 'number'), String(variant));
  writeBaseLayout(join(folder, 'debian'), debianWith(['git', 'binutils'], [mark]));
  const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();
  const parts = ['src', 'pkg', 'go.env', 'VERSION'].filter((part) => existsSync(join(goroot, part)));
  const name = `${bench.host}/golang:${variant}`;
  await preparing(bench, [
    ...['pack', join(goroot, 'bin/go'), '--base', `oci:${folder}/debian`, '--dest', '/usr/local/go/bin/go'],
    ...parts.flatMap((part) => ['--add', `${join(goroot, part)}:/usr/local/go/${part}`]),
    ...['--add', `${mark}:/usr/local/go/variant`],
    ...['-e', 'PATH=/usr/local/go/bin:/usr/bin:/bin', '-e', 'GOTOOLCHAIN=local', '--check', 'off'],
    ...['--compression', 'gzip:1', '-t', name, '--push', '-q'],
  ]);
  return name;
}

/** In a store that no contender has. */
async function preparing(bench: Bench, args: readonly string[]): Promise<void> {
  await must(process.execPath, [bench.bin, ...args], {
    env: { OCISLIM_HOME: join(bench.root, 'preparing') },
  });
}

/** Bytes of an image's layers in the registry, without the first ones. */
export async function layerBytes(
  host: string,
  repository: string,
  { without = 0, tag = '1' } = {},
): Promise<number> {
  const types = ['vnd.oci.image.manifest.v1', 'vnd.docker.distribution.manifest.v2'];
  const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
    headers: { accept: types.map((type) => `application/${type}+json`).join(', ') },
  });
  if (!answer.ok) throw new Error(`manifest of ${repository}: ${answer.status}`);
  const { layers } = (await answer.json()) as { readonly layers: readonly { readonly size: number }[] };
  return layers.slice(without).reduce((sum, { size }) => sum + size, 0);
}
