import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { bzipped, CLIMBING_TAR, gzipped, TAR, TAR_WITH_CAPABILITY, xzipped, zstandard } from './archives.ts';
import type { Case } from './case.ts';

const HELLO = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03';

/** What `TAR` unpacks to in a folder. */
const unpacked = (folder: string) => ({
  [folder]: 'dir 755 0:0',
  [`${folder}/implied`]: 'dir 755 0:0',
  [`${folder}/implied/parent`]: 'file 644 3:0 "p"',
  [`${folder}/made`]: 'dir 750 21:22',
  [`${folder}/made/file`]: `file 640 21:22 "in an archive\\n" = ${folder}/made/file`,
  [`${folder}/made/hard`]: `file 640 21:22 "in an archive\\n" = ${folder}/made/file`,
  [`${folder}/made/link`]: 'link 0:0 -> file',
  [`${folder}/made/suid`]: 'file 4755 0:0 "suid"',
});

export const ADD: readonly Case[] = [
  {
    name: 'ADD of files and folders is COPY',
    files: { f: { content: 'f', mode: 0o600, uid: 5 }, 'd/g': 'g', 'd/e/h': 'h' },
    judge: 'buildkit',
    dockerfile: `
      FROM users
      ADD f /f
      ADD --chown=app d /out/
      ADD f d/g d/e /some/`,
  },
  {
    name: 'ADD unpacks a tar, with the owners and modes in it',
    files: { 'a.tar': TAR },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ADD a.tar /out`,
    expect: { changes: unpacked('out') },
  },
  {
    name: 'ADD unpacks gzip, bzip2 and xz',
    files: { g: gzipped, b: bzipped(), x: xzipped() },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ADD g /g/
      ADD b /b
      ADD x /x/`,
    expect: { changes: { ...unpacked('b'), ...unpacked('g'), ...unpacked('x') } },
  },
  {
    name: 'ADD unpacks zstd',
    files: { z: zstandard() },
    judge: 'buildah',
    why: 'newer than BuildKit 0.8',
    dockerfile: `
      FROM alpine
      ADD z /z`,
    expect: { changes: unpacked('z') },
  },
  {
    name: 'ADD goes by content, not by name',
    files: {
      'text.tar.gz': 'no archive\n',
      'photo.jpg': gzipped,
      'lines.gz': gzipSync(Buffer.from('some lines\n')),
      'empty.tar': '',
    },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ADD text.tar.gz /text/
      ADD photo.jpg /photo
      ADD lines.gz /lines/
      ADD empty.tar /empty/`,
  },
  {
    name: 'ADD unpacks several archives into one folder, and beside files',
    files: { 'a.tar': TAR, 'c.tar': TAR_WITH_CAPABILITY, f: 'f' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      ADD *.tar f /out/`,
  },
  {
    name: 'ADD unpacks over what is there: folders take its mode, files are replaced',
    files: { 'a.tar': TAR },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN mkdir -p /out/made/suid /out/made/link && echo old > /out/made/file && echo kept > /out/made/kept && mkdir -m 700 /out/implied
      ADD a.tar /out`,
  },
  {
    name: 'ADD unpacks with --chown',
    files: { 'a.tar': TAR },
    judge: 'hand',
    why: 'the builders at hand leave the owners in archives alone; later ones change them',
    dockerfile: `
      FROM alpine
      ADD --chown=11:12 a.tar /out`,
    expect: {
      changes: {
        ...Object.fromEntries(
          Object.entries(unpacked('out')).map(([path, line]) => [path, line.replace(/\d+:\d+/, '11:12')]),
        ),
      },
    },
  },
  {
    name: 'an archive keeps capabilities, and COPY --from hands them on',
    files: { 'c.tar': TAR_WITH_CAPABILITY },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine AS from
      ADD c.tar /out/
      FROM alpine
      ADD c.tar /added/
      COPY --from=from /out/server /copied`,
  },
  {
    name: 'an archive that climbs stays in its destination',
    files: { 'c.tar': CLIMBING_TAR },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ADD c.tar /out/`,
  },
  {
    name: 'ADD of an URL gives a file that only root can read, under the name of the URL',
    judge: 'buildkit',
    args: { HTTP: '{http}' },
    dockerfile: `
      FROM alpine
      ARG HTTP
      ADD $HTTP/hello.txt /named
      ADD $HTTP/hello.txt?x=1 /folder/
      ADD --chown=5:6 $HTTP/hello.txt /owned/by`,
  },
  {
    name: 'ADD of an URL with --chmod',
    judge: 'buildah',
    why: 'BuildKit 0.8 takes no notice of it',
    args: { HTTP: '{http}' },
    dockerfile: `
      FROM alpine
      ARG HTTP
      ADD --chmod=644 $HTTP/hello.txt /hello`,
    expect: { changes: { hello: 'file 644 0:0 "hello\\n"' } },
  },
  {
    name: 'ADD does not unpack an URL',
    judge: 'buildkit',
    args: { HTTP: '{http}' },
    dockerfile: `
      FROM alpine
      ARG HTTP
      ADD $HTTP/files.tar.gz /out/`,
  },
  {
    name: 'ADD of an URL that is not there fails',
    judge: ['buildkit', 'classic'],
    args: { HTTP: '{http}' },
    dockerfile: `
      FROM alpine
      ARG HTTP
      ADD $HTTP/missing.txt /out/`,
    refuses: /404/,
  },
  {
    name: 'ADD --unpack unpacks an URL, and --unpack=false leaves a local archive',
    files: { 'a.tar': TAR },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.17)',
    args: { HTTP: '{http}' },
    dockerfile: `
      FROM alpine
      ARG HTTP
      ADD --unpack $HTTP/files.tar.gz /out/
      ADD --unpack=false a.tar /kept/`,
    expect: {
      changes: {
        kept: 'dir 755 0:0',
        'kept/a.tar': `file 644 0:0 ${sha(TAR)}`,
        out: 'dir 755 0:0',
        'out/in': 'dir 755 0:0',
        'out/in/side': 'file 644 7:8 "inside\\n"',
      },
    },
  },
  {
    name: 'ADD --checksum takes what has it',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.6)',
    args: { HTTP: '{http}', SUM: `sha256:${HELLO}` },
    dockerfile: `
      FROM alpine
      ARG HTTP SUM
      ADD --checksum=$SUM $HTTP/hello.txt /hello`,
    expect: { changes: { hello: 'file 600 0:0 "hello\\n"' } },
  },
  {
    name: 'ADD --checksum refuses what has another',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.6)',
    args: { HTTP: '{http}' },
    dockerfile: `
      FROM alpine
      ARG HTTP
      ADD --checksum=sha256:${'0'.repeat(64)} $HTTP/hello.txt /hello`,
    refuses: /checksum|digest|mismatch/i,
  },
  {
    name: 'ADD of a git repository, at a tag and in a folder, without .git',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.5)',
    args: { GIT: '{git}' },
    dockerfile: `
      FROM alpine
      ARG GIT
      ADD $GIT/repo.git#v1 /tagged
      ADD $GIT/repo.git#main:sub /sub`,
    expect: {
      changes: {
        sub: 'dir 755 0:0',
        'sub/run.sh': 'file 755 0:0 "#!/bin/sh\\n"',
        tagged: 'dir 755 0:0',
        'tagged/README': 'file 644 0:0 "first\\n"',
        'tagged/sub': 'dir 755 0:0',
        'tagged/sub/run.sh': 'file 755 0:0 "#!/bin/sh\\n"',
      },
    },
  },
  {
    name: 'ADD --keep-git-dir keeps .git',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.1)',
    args: { GIT: '{git}' },
    dockerfile: `
      FROM alpine AS cloned
      ARG GIT
      ADD --keep-git-dir=true $GIT/repo.git#v1 /kept
      FROM alpine
      RUN --mount=from=cloned,source=/kept,target=/k test -e /k/.git && cp /k/README /readme`,
    expect: { changes: { readme: 'file 644 0:0 "first\\n"' } },
  },
  {
    name: 'ADD of a git repository with a tag that is not there fails',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.5)',
    args: { GIT: '{git}' },
    dockerfile: `
      FROM alpine
      ARG GIT
      ADD $GIT/repo.git#missing /kept`,
    refuses: /missing/,
  },
  {
    name: 'ADD --link and --exclude are as for COPY',
    files: { 'd/a': 'a', 'd/b': 'b' },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.4 and 1.19)',
    dockerfile: `
      FROM alpine
      ADD --link --exclude=b d /out/`,
    expect: { changes: { out: 'dir 755 0:0', 'out/a': 'file 644 0:0 "a"' } },
  },
  {
    name: 'ADD --from is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ADD --from=alpine /etc/passwd /f`,
    refuses: /from/,
  },
];

function sha(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
