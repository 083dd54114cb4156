import type { Case } from './case.ts';

const TREE: Case['files'] = {
  'd/a': 'a\n',
  'd/private': { mode: 0o700 },
  'd/private/key': { content: 'key\n', mode: 0o600, uid: 7, gid: 8 },
  'd/run.sh': { content: '#!/bin/sh\n', mode: 0o755 },
  'd/link': { link: 'a' },
};

export const COPY: readonly Case[] = [
  {
    name: 'COPY makes root the owner and keeps modes, whoever owns the source',
    files: { f: { content: 'f\n', mode: 0o640, uid: 1000, gid: 1001 } },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY f /new/f`,
    expect: { changes: { new: 'dir 755 0:0', 'new/f': 'file 640 0:0 "f\\n"' }, history: 1 },
  },
  {
    name: 'COPY keeps set-uid, set-gid and sticky bits',
    files: { f: { content: 'f', mode: 0o6755 }, 'd/t': { mode: 0o1777 } },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY f /f
      COPY d /d`,
  },
  {
    name: 'COPY of a folder takes its contents, links as links',
    files: TREE,
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY d /out`,
  },
  {
    name: "a source folder's own mode does not reach the destination",
    files: { d: { mode: 0o711, uid: 3, gid: 4 }, 'd/e': { mode: 0o711 }, 'd/e/f': 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY d /out
      COPY d/ /out2/
      COPY d /tmp`,
  },
  {
    name: 'folders that are there keep mode and owner',
    files: TREE,
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM modes
      COPY d /d/private
      COPY --chown=9:9 d /d/sticky/
      COPY --chown=9:9 d/a /d/setgid/`,
  },
  {
    name: 'COPY of several sources into a folder',
    files: { a: 'a', b: 'b', 'd/c': 'c' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY a b d /out/`,
  },
  {
    name: 'COPY of several sources to no folder is refused',
    files: { a: 'a', b: 'b' },
    judge: 'classic',
    why: 'BuildKit keeps the last one in silence',
    dockerfile: `
      FROM alpine
      COPY a b /both`,
    refuses: /\/both/,
  },
  {
    name: 'COPY of a wildcard that matches several to no folder is refused',
    files: { a1: 'a', a2: 'b' },
    judge: 'classic',
    why: 'BuildKit keeps the last one in silence',
    dockerfile: `
      FROM alpine
      COPY a* /both`,
    refuses: /\/both/,
  },
  {
    name: 'COPY of a wildcard that matches one file needs no folder',
    files: { a1: 'a', b: 'b' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY a* /one`,
    expect: { changes: { one: 'file 644 0:0 "a"' } },
  },
  {
    name: 'wildcards merge the folders they match',
    files: { 'd1/x': '1', 'd1/same': '1', 'd2/y': '2', 'd2/same': '2', d3: '3' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY d* /out/`,
  },
  {
    name: 'wildcards with ?, classes and ranges',
    files: { a1: '1', a2: '2', a3: '3', b1: '4', 'x[y': '5', 'sub/a4': '6', 'sub/deep/a5': '7' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY a[1-2] /classes/
      COPY ?1 /one/
      COPY [^a]1 /not/
      COPY s*/a? /folders/
      COPY x[[]y /bracket/`,
  },
  {
    name: 'a wildcard that matches nothing is no error',
    files: { a: 'a' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY a nothing* /out/`,
    expect: { changes: { out: 'dir 755 0:0', 'out/a': 'file 644 0:0 "a"' } },
  },
  {
    name: 'a missing source is an error',
    files: { a: 'a' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY a missing /out/`,
    refuses: /missing/,
  },
  {
    name: 'a missing source in a stage is an error',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS one
      FROM alpine
      COPY --from=one /missing /out/`,
    refuses: /missing/,
  },
  {
    name: '.. in sources stops at the context',
    files: { f: 'f', 'd/g': 'g' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY ../f ../../d /out/
      COPY d/../f /cleaned`,
  },
  {
    name: 'a path from the root is one from the context',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY /f /out`,
  },
  {
    name: 'destinations are relative to WORKDIR, else to the root',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY f one
      WORKDIR /w
      COPY f .
      COPY f two
      COPY f ./three/
      COPY f ../four
      COPY f ../../../../five`,
  },
  {
    name: 'a WORKDIR of the base that is not there is a folder all the same',
    files: { f: 'f' },
    judge: 'buildkit',
    why: 'the classic builder copies to a file of its name',
    dockerfile: `
      FROM lost
      COPY f .
      RUN pwd > here`,
  },
  {
    name: 'a file into a folder that is there, with and without a slash',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY f /opt
      COPY f /srv/
      COPY f /new/
      COPY f /deep/er/name`,
  },
  {
    name: 'destinations follow links of the image',
    files: { f: 'f', 'd/g': 'g' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM linked
      COPY f /data/
      COPY f /relative
      COPY d /climbs/new
      COPY d /data`,
  },
  {
    name: 'a destination below a link that leads nowhere is made where it leads',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM linked
      COPY f /dangling/f`,
  },
  {
    name: 'a link that leads round and round is an error',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM linked
      COPY f /loop/f`,
    refuses: /loop|link/i,
  },
  {
    name: 'a file copied onto a link to a file',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM linked
      COPY f /srv/data/alias`,
  },
  {
    name: 'a folder copied onto a file is an error',
    files: TREE,
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY d /etc/passwd`,
    refuses: /etc\/passwd/,
  },
  {
    name: 'a folder in a folder onto a file is an error',
    files: { 'd/etc/passwd/x': 'x' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY d /`,
    refuses: /etc\/passwd/,
  },
  {
    name: 'a file in a folder onto a folder is an error',
    files: { 'd/etc': 'x' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY d /`,
    refuses: /etc/,
  },
  {
    name: 'a file copied over a file has the new mode, and other names of the old one stay',
    files: { f: { content: 'new', mode: 0o600 } },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM modes
      COPY f /d/a`,
  },
  {
    name: 'a link as source is what it leads to',
    files: { 'd/f': 'f', 'to-file': { link: 'd/f' }, 'to-folder': { link: 'd' }, up: { link: '../../d/f' } },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY to-file /file
      COPY to-file /into/
      COPY to-folder /folder
      COPY to-folder/f /through
      COPY up /up`,
  },
  {
    name: 'a link of the context to nowhere is an error',
    files: { out: { link: '/etc/hostname' } },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY out /out`,
    refuses: /out/,
  },
  {
    name: 'hard links of the context stay hard links',
    files: { 'd/a': 'a', 'd/b': { hardlink: 'd/a' } },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY d /out`,
    expect: {
      changes: {
        out: 'dir 755 0:0',
        'out/a': 'file 644 0:0 "a" = out/a',
        'out/b': 'file 644 0:0 "a" = out/a',
      },
    },
  },
  {
    name: 'JSON form, quotes, blanks, and names beyond ASCII',
    files: { 'a b': '1', 'größe €': '2', "it's": '3', '-dash': '4', $dollar: '5' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY ["a b", "größe €", "/x y/"]
      COPY ["it\\\\'s", "-dash", "/x y/"]
      COPY \\$dollar /cash`,
  },
  {
    name: 'variables in sources, destination and --chown',
    files: { 'a-1': 'a', 'a-2': 'b' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      ARG N=1
      ENV TO=/to UID_=12
      COPY --chown=\${UID_}:13 a-\${N} $TO/\${MISSING:-name}`,
  },
  {
    name: '--chown with numbers, and a lone one is the group, too',
    files: TREE,
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY --chown=11:12 d /both/new
      COPY --chown=13 d/a /lone/new
      COPY --chown=0:14 d/a /group`,
  },
  {
    name: "--chown with names of the image's own passwd and group",
    files: { f: 'f' },
    judge: 'buildkit',
    dockerfile: `
      FROM users
      COPY --chown=app f /1
      COPY --chown=app:staff2 f /2
      COPY --chown=1234:staff2 f /3
      COPY --chown=app:77 f /4
      COPY --chown=lone f /5
      COPY --chown=1234 f /6
      COPY --chown=root:root f /7`,
  },
  {
    name: '--chown with a name that a step before has made',
    files: { f: 'f' },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN echo 'late:x:4321:5432::/:/bin/sh' >> /etc/passwd
      COPY --chown=late f /f`,
  },
  {
    name: '--chown with a user that is not there is refused',
    files: { f: 'f' },
    judge: 'classic',
    why: 'BuildKit makes root the owner in silence',
    dockerfile: `
      FROM alpine
      COPY --chown=stranger f /f`,
    refuses: /stranger/,
  },
  {
    name: '--chown with a group that is not there is refused',
    files: { f: 'f' },
    judge: 'classic',
    why: 'BuildKit makes root the group in silence',
    dockerfile: `
      FROM alpine
      COPY --chown=root:strangers f /f`,
    refuses: /strangers/,
  },
  {
    name: '--chown with a name in an image without passwd is refused',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM scratch
      COPY --chown=app f /f`,
    refuses: /app/,
  },
  {
    name: '--chown with numbers needs no passwd',
    files: { f: 'f' },
    judge: 'buildkit',
    dockerfile: `
      FROM scratch
      COPY --chown=1234:5 f /d/f`,
  },
  {
    name: '--chown with a number that is no id is refused',
    files: { f: 'f' },
    judge: 'hand',
    why: 'BuildKit makes it root in silence',
    dockerfile: `
      FROM alpine
      COPY --chown=4294967295 f /f`,
    refuses: /4294967295/,
  },
  {
    name: '--chmod in octal holds for what is below the source, and for folders that are made',
    files: TREE,
    judge: 'hand',
    why: 'folders that are made get the mode in BuildKit since 2025 (moby/buildkit#4945)',
    expect: {
      changes: {
        file: 'file 640 0:0 "a\\n"',
        folder: 'dir 711 0:0',
        'folder/a': 'file 711 0:0 "a\\n"',
        'folder/link': 'link 0:0 -> a',
        'folder/private': 'dir 711 0:0',
        'folder/private/key': 'file 711 0:0 "key\\n"',
        'folder/run.sh': 'file 711 0:0 "#!/bin/sh\\n"',
        made: 'dir 755 0:0',
        'made/a': 'file 755 0:0 "a\\n"',
        'opt/a': 'file 700 0:0 "a\\n"',
      },
    },
    dockerfile: `
      FROM alpine
      COPY --chmod=640 d/a /file
      COPY --chmod=0711 d /folder
      COPY --chmod=755 d/a /made/a
      COPY --chmod=700 d/a /opt/`,
  },
  {
    name: '--chmod with set-uid, set-gid and sticky bits',
    files: { f: 'f', 'd/e': {} },
    judge: 'hand',
    why: 'BuildKit 0.8 loses them, and the builders at hand give folders that are made another mode',
    dockerfile: `
      FROM alpine
      COPY --chmod=4755 f /suid
      COPY --chmod=2755 f /sgid
      COPY --chmod=1777 d /d`,
    expect: {
      changes: {
        d: 'dir 777 0:0',
        'd/e': 'dir 1777 0:0',
        sgid: 'file 2755 0:0 "f"',
        suid: 'file 4755 0:0 "f"',
      },
    },
  },
  {
    name: '--chmod in symbols',
    files: {
      f: { content: 'f', mode: 0o640 },
      'd/s': { mode: 0o750 },
      'd/s/g': { content: 'g', mode: 0o600 },
    },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.14)',
    dockerfile: `
      FROM alpine
      COPY --chmod=u+x f /1
      COPY --chmod=a=r,u+w f /2
      COPY --chmod=go-r f /3
      COPY --chmod=a+rX d/s /4/s`,
    expect: {
      changes: {
        1: 'file 740 0:0 "f"',
        2: 'file 644 0:0 "f"',
        3: 'file 600 0:0 "f"',
        4: 'dir 755 0:0',
        '4/s': 'dir 755 0:0',
        '4/s/g': 'file 644 0:0 "g"',
      },
    },
  },
  {
    name: '--chmod with what is no mode is refused',
    files: { f: 'f' },
    judge: 'hand',
    why: 'BuildKit 0.8 takes it for no mode in silence',
    dockerfile: `
      FROM alpine
      COPY --chmod=999 f /f`,
    refuses: /999/,
  },
  {
    name: '--chmod from a variable',
    files: { f: 'f' },
    judge: 'buildah',
    why: 'newer than BuildKit 0.8 (Dockerfile 1.6)',
    dockerfile: `
      FROM alpine
      ARG MODE=600
      COPY --chmod=$MODE f /f`,
    expect: { changes: { f: 'file 600 0:0 "f"' } },
  },
  {
    name: 'COPY --from a stage by name, number, and in other letters',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS Maker
      RUN echo 1 > /made
      FROM alpine
      COPY --from=maker /made /1
      COPY --from=MAKER /made /2
      COPY --from=0 /made /3`,
  },
  {
    name: 'COPY --from an image that is no stage',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM scratch
      COPY --from=users /etc/passwd /etc/passwd`,
  },
  {
    name: "COPY --from ignores the stage's WORKDIR",
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS one
      WORKDIR /w
      RUN echo in > /w/f && echo root > /f
      FROM alpine
      WORKDIR /v
      COPY --from=one f out`,
    expect: {
      changes: { v: 'dir 755 0:0', 'v/out': 'file 644 0:0 "root\\n"' },
      config: { WorkingDir: '/v' },
    },
  },
  {
    name: 'COPY --from of a folder with all kinds of things in it',
    judge: 'classic',
    why: 'BuildKit 0.8 leaves FIFOs out in silence',
    dockerfile: `
      FROM modes AS from
      FROM alpine
      COPY --from=from /d /out
      COPY --from=from /d/a /d/suid /some/
      COPY --from=from /d/private /private`,
  },
  {
    name: 'COPY --from with --chown',
    judge: 'buildkit',
    dockerfile: `
      FROM modes AS from
      FROM users
      COPY --from=from --chown=app:staff2 /d/a /d/suid /out/
      COPY --from=from --chown=app:staff2 /d/private /private`,
  },
  {
    name: 'COPY --from of a wildcard, of a link, and through links of the stage',
    judge: 'buildkit',
    dockerfile: `
      FROM linked
      RUN echo t > /srv/data/t.txt && echo u > /srv/data/u.txt
      FROM alpine
      COPY --from=0 /srv/data/*.txt /wild/
      COPY --from=0 /srv/data/alias /file
      COPY --from=0 /data /folder
      COPY --from=0 /data/old /climbs/ /through/`,
  },
  {
    name: 'COPY --from of a whole root',
    judge: 'buildkit',
    dockerfile: `
      FROM users AS whole
      RUN rm -rf /media && chown 5:5 /srv
      FROM scratch
      COPY --from=whole / /
      CMD ["/bin/sh"]`,
  },
  {
    name: 'COPY --from a stage that comes later, or is not there',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      COPY --from=later-stage.invalid/x /f /f`,
    refuses: /later-stage/,
  },
  {
    name: 'a stage cannot copy from itself',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS self
      COPY --from=0 /etc/passwd /f`,
    refuses: /0|self/,
  },
  {
    name: '--link makes what COPY makes',
    files: TREE,
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.4)',
    dockerfile: `
      FROM alpine
      COPY --link --chown=5:6 d/a /new/a
      COPY --link=true d/run.sh /usr/local/bin/`,
    expect: {
      changes: {
        new: 'dir 755 5:6',
        'new/a': 'file 644 5:6 "a\\n"',
        'usr/local/bin/run.sh': 'file 755 0:0 "#!/bin/sh\\n"',
      },
    },
  },
  {
    name: '--exclude leaves out what its patterns match, below the source',
    files: { 'd/a.log': '1', 'd/a.txt': '2', 'd/sub/b.log': '3', 'd/sub/c.txt': '4', 'd/skip/x': '5' },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.19)',
    dockerfile: `
      FROM alpine
      COPY --exclude=*.log --exclude=skip d /1/
      COPY --exclude=**/*.log d /2/`,
    expect: {
      changes: {
        1: 'dir 755 0:0',
        '1/a.txt': 'file 644 0:0 "2"',
        '1/sub': 'dir 755 0:0',
        '1/sub/b.log': 'file 644 0:0 "3"',
        '1/sub/c.txt': 'file 644 0:0 "4"',
        2: 'dir 755 0:0',
        '2/a.txt': 'file 644 0:0 "2"',
        '2/skip': 'dir 755 0:0',
        '2/skip/x': 'file 644 0:0 "5"',
        '2/sub': 'dir 755 0:0',
        '2/sub/c.txt': 'file 644 0:0 "4"',
      },
    },
  },
  {
    name: '--parents keeps the folders of sources, from /./ on',
    files: { 'a/b/c.txt': '1', 'a/x/c.txt': '2', 'e.txt': '3' },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.20)',
    dockerfile: `
      FROM alpine
      COPY --parents a/b/c.txt e.txt /1/
      COPY --parents ./a/./b/c.txt /2/
      COPY --parents a/*/c.txt /3/
      COPY --parents **/c.txt /4/`,
    expect: {
      changes: {
        1: 'dir 755 0:0',
        '1/a': 'dir 755 0:0',
        '1/a/b': 'dir 755 0:0',
        '1/a/b/c.txt': 'file 644 0:0 "1"',
        '1/e.txt': 'file 644 0:0 "3"',
        2: 'dir 755 0:0',
        '2/b': 'dir 755 0:0',
        '2/b/c.txt': 'file 644 0:0 "1"',
        3: 'dir 755 0:0',
        '3/a': 'dir 755 0:0',
        '3/a/b': 'dir 755 0:0',
        '3/a/b/c.txt': 'file 644 0:0 "1"',
        '3/a/x': 'dir 755 0:0',
        '3/a/x/c.txt': 'file 644 0:0 "2"',
        4: 'dir 755 0:0',
        '4/a': 'dir 755 0:0',
        '4/a/b': 'dir 755 0:0',
        '4/a/b/c.txt': 'file 644 0:0 "1"',
        '4/a/x': 'dir 755 0:0',
        '4/a/x/c.txt': 'file 644 0:0 "2"',
      },
    },
  },
  {
    name: 'COPY . takes the Dockerfile, hidden files and empty folders along',
    files: { '.hidden': 'h', empty: {}, 'sub/.keep': '' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY . /app`,
  },
  {
    name: 'long paths and large files',
    files: { [`${'long/'.repeat(30)}${'n'.repeat(120)}`]: 'x', large: Buffer.alloc(3_000_000, 'large') },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY . /app/`,
  },
  {
    name: 'an unknown flag is refused',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY --owner=1 f /f`,
    refuses: /owner/,
  },
  {
    name: 'COPY with one word is refused',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY f`,
    refuses: /COPY/,
  },
  {
    name: 'COPY does not run as USER',
    files: { f: 'f' },
    judge: 'buildkit',
    dockerfile: `
      FROM users
      USER app
      WORKDIR /home/app
      COPY f /root/f
      COPY f here`,
  },
];
