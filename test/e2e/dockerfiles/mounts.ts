import type { Case } from './case.ts';

export const MOUNTS: readonly Case[] = [
  {
    name: 'a bind of the context is read-only, and leaves nothing',
    files: { f: 'f\n', 'd/g': 'g\n' },
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=bind,source=f,target=/m/f --mount=target=/all cat /m/f /all/d/g > /out; touch /all/no 2> /dev/null || echo ro >> /out`,
    apart: ['all', 'm'],
    expect: { changes: { out: 'file 644 0:0 "f\\ng\\nro\\n"' } },
  },
  {
    name: 'writes to a bind that is rw are discarded',
    files: { 'd/g': 'g\n' },
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=bind,source=d,dst=/m,rw echo new > /m/new && cat /m/new /m/g > /out
      RUN --mount=type=bind,src=d,destination=/m,readwrite=true ls /m > /list
      COPY d /d`,
    apart: ['m'],
    expect: {
      changes: {
        d: 'dir 755 0:0',
        'd/g': 'file 644 0:0 "g\\n"',
        list: 'file 644 0:0 "g\\n"',
        out: 'file 644 0:0 "new\\ng\\n"',
      },
    },
  },
  {
    name: 'a bind from a stage and from an image',
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine AS maker
      RUN mkdir /o && echo made > /o/made
      FROM alpine
      RUN --mount=from=maker,source=/o,target=/m cp /m/made /1
      RUN --mount=type=bind,from=users,target=/m grep app /m/etc/passwd > /2
      RUN --mount=from=Maker,source=o/made,target=/m/file cat /m/file > /3`,
    apart: ['m'],
  },
  {
    name: 'a bind over a folder that is there hides it for one command',
    files: { 'd/g': 'g\n' },
    judge: 'buildkit',
    dockerfile: `
      FROM modes
      RUN --mount=type=bind,source=d,target=/d ls /d > /during
      RUN ls /d > /after`,
  },
  {
    name: 'a target that is relative to WORKDIR',
    files: { f: 'f\n' },
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      WORKDIR /w
      RUN --mount=source=f,target=m cat m > out`,
    apart: ['w/m'],
  },
  {
    name: 'a bind of what is not there fails',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=source=missing,target=/m true`,
    refuses: /missing/,
  },
  {
    name: 'a bind whose source climbs out through a link fails or stays inside',
    files: { out: { link: '../../../../../../../../etc' } },
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=source=out/hostname,target=/m cat /m > /stolen`,
    refuses: /out|m/,
  },
  {
    name: 'a cache keeps between commands, and is not in the image',
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=cache,target=/c/deep,id=keeps-between echo kept > /c/deep/f
      RUN --mount=type=cache,target=/other,id=keeps-between cat /other/f > /out
      RUN --mount=type=cache,target=/c2 test ! -e /c2/f && echo x > /c2/x
      RUN --mount=type=cache,id=/c2,target=/c3 cat /c3/x >> /out`,
    apart: ['c', 'c2', 'c3', 'other'],
    expect: { changes: { out: 'file 644 0:0 "kept\\nx\\n"' } },
  },
  {
    name: 'a cache with mode and owner, and one that begins with what a stage has',
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine AS seed
      RUN mkdir /s && echo seed > /s/seed
      FROM users
      USER app
      RUN --mount=type=cache,target=/m,uid=1234,gid=2345,mode=0750 stat -c '%a %u:%g' /m > /tmp/stat && touch /m/mine
      USER 0
      RUN --mount=type=cache,id=seeded,from=seed,source=/s,target=/n cat /n/seed > /seed
      RUN --mount=type=cache,id=private,sharing=private,target=/n stat -c %a /n >> /tmp/stat
      RUN --mount=type=cache,id=locked,sharing=locked,target=/n true`,
    apart: ['m', 'n'],
  },
  {
    name: 'a cache that is read-only',
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=cache,id=ro,target=/m,ro touch /m/x 2> /dev/null || echo ro > /out`,
    apart: ['m'],
    expect: { changes: { out: 'file 644 0:0 "ro\\n"' } },
  },
  {
    name: 'a tmpfs is empty, and leaves nothing',
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=tmpfs,target=/t echo x > /t/x && ls /t > /out
      RUN --mount=type=tmpfs,target=/etc/apk ls -A /etc/apk >> /out; ls /t >> /out 2>/dev/null || true`,
    apart: ['t'],
    expect: { changes: { out: 'file 644 0:0 "x\\n"' } },
  },
  {
    name: 'a tmpfs with a size',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.3)',
    dockerfile: `
      FROM alpine
      RUN --mount=type=tmpfs,target=/t,size=1048576 dd if=/dev/zero of=/t/x bs=1024 count=4096 2>/dev/null || echo full > /out`,
    expect: { changes: { out: 'file 644 0:0 "full\\n"' } },
  },
  {
    name: 'a secret is a file of root alone, and is gone after the command',
    secrets: { token: 'canary' },
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=secret,id=token stat -c '%a %u:%g' /run/secrets/token > /out; wc -c < /run/secrets/token >> /out
      RUN --mount=type=secret,id=token,target=/k/ey,mode=0444,uid=5,gid=6 stat -c '%a %u:%g' /k/ey >> /out
      RUN test ! -e /run/secrets/token && test ! -s /k/ey`,
    apart: ['run/secrets', 'k'],
    expect: { changes: { out: 'file 644 0:0 "400 0:0\\n6\\n444 5:6\\n"' } },
  },
  {
    name: 'a secret that is not given is not there; one that is required ends the build',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=type=secret,id=none test ! -e /run/secrets/none
      RUN --mount=type=secret,id=none,required true`,
    refuses: /none/,
  },
  {
    name: 'a secret without id takes it from its target',
    secrets: { named: 'abc' },
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM alpine
      RUN --mount=type=secret,target=/x/named wc -c < /x/named > /out`,
    apart: ['x'],
    expect: { changes: { out: 'file 644 0:0 "3\\n"' } },
  },
  {
    name: 'a secret in the environment, with and without a file',
    secrets: { token: 'canary' },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.10)',
    dockerfile: `
      FROM alpine
      RUN --mount=type=secret,id=token,env=TOKEN test ! -e /run/secrets/token && echo "\${#TOKEN}" > /out
      RUN --mount=type=secret,id=token,env=TOKEN,target=/t wc -c < /t >> /out; echo "\${#TOKEN}" >> /out
      RUN echo "x\${TOKEN}x" >> /out`,
    expect: { changes: { out: 'file 644 0:0 "6\\n6\\n6\\nxx\\n"' } },
  },
  {
    name: 'ssh that nobody offers is not there, and does not end the build',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=type=ssh test ! -e "$SSH_AUTH_SOCK" && echo x > /out`,
    expect: { changes: { out: 'file 644 0:0 "x\\n"' } },
  },
  {
    name: 'ssh that is required ends the build',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=type=ssh,required=true true`,
    refuses: /ssh/i,
  },
  {
    name: 'a mount without target is refused',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=type=tmpfs true`,
    refuses: /target/,
  },
  {
    name: 'a mount of no kind that is known is refused',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=type=cloud,target=/x true`,
    refuses: /cloud/,
  },
  {
    name: 'a key that no mount has is refused',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN --mount=type=cache,target=/x,colour=red true`,
    refuses: /colour/,
  },
  {
    name: 'a mount with variables in it',
    files: { 'f-1': 'f\n' },
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.5)',
    dockerfile: `
      FROM alpine
      ARG N=1
      RUN --mount=type=bind,source=f-$N,target=/m/\${N} cat /m/1 > /out`,
    expect: { changes: { out: 'file 644 0:0 "f\\n"' } },
  },
  {
    name: 'a mount at a link of the image goes where it leads within it',
    files: { f: 'f\n' },
    judge: 'buildkit',
    why: 'but for mount points, which BuildKit 0.8 leaves behind',
    dockerfile: `
      FROM linked
      RUN --mount=source=f,target=/climbs/f cat /real/f > /out`,
    apart: ['real/f'],
  },
];
