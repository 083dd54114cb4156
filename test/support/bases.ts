import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { tempDir } from './temp.ts';

/** A root file system as one gzipped layer, kept exactly as it was found. */
export interface RootFilesystem {
  readonly architecture: 'amd64' | 'arm64';
  readonly layer: Buffer;
}

const ALPINE = { amd64: 'x86_64', arm64: 'aarch64' } as const;

/**
 * The bases the end-to-end tests pack on: the real Alpine of `OCISLIM_TEST_BASES` where that is given, else a stand-in
 * of Debian's static busybox and musl, which runs programs but only has files for this machine's platform (the arm64
 * one then holds only text files, which is enough to choose platforms).
 */
export function alpineBases(): readonly RootFilesystem[] {
  const folder = process.env['OCISLIM_TEST_BASES'];
  const files = folder !== undefined && existsSync(folder) ? readdirSync(folder) : [];
  return (['amd64', 'arm64'] as const).map((architecture) => {
    const name = files.find((file) => file.startsWith('alpine-') && file.includes(ALPINE[architecture]));
    const layer =
      folder !== undefined && name !== undefined ? readFileSync(join(folder, name)) : standIn(architecture);
    return { architecture, layer };
  });
}

function standIn(architecture: string): Buffer {
  const root = tempDir();
  for (const path of ['bin', 'etc', 'lib', 'usr/local/bin', 'usr/bin', 'tmp'])
    mkdirSync(join(root, path), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  writeFileSync(join(root, 'etc/os-release'), `ID=stand-in\nARCHITECTURE=${architecture}\n`);
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  if (architecture === 'amd64') {
    for (const [from, to] of [
      ['/bin/busybox', 'bin/busybox'],
      ['/lib/ld-musl-x86_64.so.1', 'lib/ld-musl-x86_64.so.1'],
    ] as const) {
      if (existsSync(from)) writeFileSync(join(root, to), readFileSync(from), { mode: 0o755 });
    }
  }
  const tar = execFileSync(
    'tar',
    ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '-c', '.'],
    {
      cwd: root,
      maxBuffer: 1 << 28,
    },
  );
  return gzipSync(tar);
}

/** What a slim Debian has of its C and C++ libraries, from the packages of this machine, which must be a Debian. */
export function debianBase(): RootFilesystem {
  const listed = execFileSync('dpkg', ['-L', 'libc6', 'libgcc-s1', 'libstdc++6']).toString().split('\n');
  const libraries = listed.filter((path) => /\/(?:ld-linux|lib)[^/]*\.so/.test(path) && existsSync(path));
  // Packages still list `/lib/…`, where `/lib` has long been a link into `/usr`.
  const files = libraries.map((path) => join(realpathSync(dirname(path)), basename(path)));
  const config = readdirSync('/etc/ld.so.conf.d').map((name) => `/etc/ld.so.conf.d/${name}`);
  const paths = [...new Set(['/lib', '/lib64', '/etc/ld.so.conf', ...config, ...files])].map((path) =>
    path.slice(1),
  );
  const layer = execFileSync('tar', ['-C', '/', '--no-recursion', '-cz', ...paths], { maxBuffer: 1 << 28 });
  return { architecture: 'amd64', layer };
}

/** Debian with the smallest Java there is, of this machine's JDK; `java` is in `PATH` as a link, as in distributions. */
export function javaBase(): RootFilesystem {
  const { architecture, layer } = debianBase();
  const root = tempDir();
  execFileSync('tar', ['-C', root, '-xz'], { input: layer });
  const runtime = join(root, 'opt/java');
  mkdirSync(dirname(runtime), { recursive: true });
  const options = ['--strip-debug', '--no-header-files', '--no-man-pages', '--compress=2'];
  execFileSync('jlink', ['--add-modules', 'java.base', ...options, '--output', runtime], { stdio: 'pipe' });
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  symlinkSync('/opt/java/bin/java', join(root, 'usr/local/bin/java'));
  // Debian's JDK uses the zlib of the system; in others it is built in.
  const zlib = '/usr/lib/x86_64-linux-gnu/libz.so.1';
  if (existsSync(zlib)) writeFileSync(join(root, zlib), readFileSync(zlib), { mode: 0o755 });
  const layerOf = execFileSync('tar', ['-C', root, '-cz', '.'], { maxBuffer: 1 << 28 });
  return { architecture, layer: layerOf };
}

/** An image that is nothing but a time zone, Europe/Berlin. */
export function zonesBase(): RootFilesystem {
  const root = tempDir();
  const input = 'Zone Europe/Berlin 1:00 - CET\n';
  execFileSync('/usr/sbin/zic', ['-d', join(root, 'usr/share/zoneinfo'), '-'], { input });
  return { architecture: 'amd64', layer: execFileSync('tar', ['-C', root, '-cz', '.']) };
}

/** Writes an OCI layout with one single-layer image, as a stranger's tool would; returns the layer's digest. */
export function writeBaseLayout(folder: string, { architecture, layer }: RootFilesystem): string {
  return writeLayout(folder, architecture, [layer])[0] ?? '';
}

/** Writes an OCI layout with one image of gzipped layers; returns the layers' digests. */
export function writeLayout(
  folder: string,
  architecture: string,
  layers: readonly Buffer[],
  tag?: string,
): string[] {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const diffIds = layers.map((layer) => {
    return `sha256:${createHash('sha256').update(gunzipSync(layer)).digest('hex')}`;
  });
  const config = put(
    Buffer.from(
      JSON.stringify({
        architecture,
        os: 'linux',
        config: {
          Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
          Cmd: ['/bin/sh'],
          WorkingDir: '/',
        },
        rootfs: { type: 'layers', diff_ids: diffIds },
        history: layers.map(() => ({ created: '2024-09-06T12:05:36Z', created_by: 'ADD rootfs.tar.gz /' })),
      }),
    ),
    'application/vnd.oci.image.config.v1+json',
  );
  const descriptors = layers.map((layer) => put(layer, 'application/vnd.oci.image.layer.v1.tar+gzip'));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: descriptors })),
    mediaType,
  );
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const named =
    tag === undefined ? manifest : { ...manifest, annotations: { 'org.opencontainers.image.ref.name': tag } };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  return descriptors.map(({ digest }) => digest);
}
