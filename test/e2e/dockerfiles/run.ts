import type { Case } from './case.ts';

export const RUN: readonly Case[] = [
  {
    name: 'RUN in shell form, over several lines, with pipes, quotes and variables of the shell',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV WHO=env
      RUN set -e; x=5; \\
          for i in 1 2; do echo "$i \${x} $WHO '$((x * i))'" >> /out; done \\
          && false | true && echo a\\\\tb >> /out`,
  },
  {
    name: 'RUN in exec form expands nothing',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV A=1
      RUN ["/bin/busybox", "touch", "/$A", "/a b", "/q\\"q"]
      RUN ["touch", "/found in PATH"]`,
    expect: {
      changes: {
        $A: 'file 644 0:0 ""',
        'a b': 'file 644 0:0 ""',
        'found in PATH': 'file 644 0:0 ""',
        'q"q': 'file 644 0:0 ""',
      },
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=1'] },
      history: 3,
    },
  },
  {
    name: 'what is no JSON is shell form: a comment after it, single quotes, words after it',
    judge: 'hand',
    why: 'the builders at hand take no notice of what follows the list',
    dockerfile: `
      FROM alpine
      RUN ["/bin/sh", "-c", "echo no"] > /comment || echo shell > /comment # comment
      RUN ['touch', '/x'] || echo single > /single
      CMD ["a", "b"] rest
      ENTRYPOINT ['a']`,
    expect: {
      changes: { comment: 'file 644 0:0 "shell\\n"', single: 'file 644 0:0 "single\\n"' },
      config: {
        Cmd: ['/bin/sh', '-c', '["a", "b"] rest'],
        Entrypoint: ['/bin/sh', '-c', "['a']"],
      },
      history: 4,
    },
  },
  {
    name: 'RUN [] is refused',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN []`,
    refuses: /RUN/,
  },
  {
    name: 'RUN without a command is refused',
    judge: 'classic',
    why: 'BuildKit 0.8 runs an empty command',
    dockerfile: `
      FROM alpine
      RUN`,
    refuses: /RUN/i,
  },
  {
    name: 'a command that fails ends the build with its exit code',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN echo before; exit 42`,
    refuses: /42/,
  },
  {
    name: 'a command that is not there ends the build',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN ["no-such-command"]`,
    refuses: /no-such-command/,
  },
  {
    name: 'an image without a shell fails at shell form',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM scratch
      RUN true`,
    refuses: /\/bin\/sh/,
  },
  {
    name: 'the whole environment of a command',
    judge: 'buildkit',
    args: { GIVEN: 'by option', HTTP_PROXY: 'http://proxy.invalid' },
    dockerfile: `
      FROM users
      ARG GIVEN
      ARG DEFAULT=default
      ARG WITHOUT
      ENV SET="by ENV"
      RUN env | grep -v -E '^(SHLVL|PWD|OLDPWD|HOSTNAME|_)=' | sort > /env; pwd >> /env; id -u >> /env; id -g >> /env; umask >> /env
      USER app
      WORKDIR /tmp
      RUN env | grep -v -E '^(SHLVL|PWD|OLDPWD|HOSTNAME|_)=' | sort > /tmp/env; pwd >> /tmp/env; id -u >> /tmp/env; id -g >> /tmp/env
      USER 4242
      RUN id -u > /tmp/id; id -g >> /tmp/id; echo "$HOME" >> /tmp/id
      USER 4242:5
      RUN id -u > /tmp/id2; id -g >> /tmp/id2
      USER lone:staff2
      RUN id -u > /tmp/id3; id -g >> /tmp/id3; echo "$HOME" >> /tmp/id3`,
  },
  {
    name: 'files are taken away, replaced and made again in later layers',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM modes
      RUN mkdir -p /x/deep/er && echo 1 > /x/one && echo 2 > /x/two && echo 3 > /x/deep/er/three && ln -s two /x/link
      RUN rm /x/one && rm -r /x/deep && echo file > /x/deep
      RUN rm /x/deep && mkdir -p /x/deep/new && rm /x/two && ln -s one /x/two
      RUN rm -rf /x/link /d && mkdir /x/link /d && echo only > /d/only`,
  },
  {
    name: 'a folder that is removed and made again hides what it had',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN mkdir -p /o/a/b && touch /o/1 /o/a/2 /o/a/b/3
      RUN rm -rf /o && mkdir -p /o/a && touch /o/a/new`,
    expect: {
      changes: { o: 'dir 755 0:0', 'o/a': 'dir 755 0:0', 'o/a/new': 'file 644 0:0 ""' },
      history: 2,
    },
  },
  {
    name: 'changes of mode or owner alone, of files, folders and links',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM modes
      RUN chmod 0600 /etc/motd && chmod 0711 /d/private && chown 8:9 /d/private/p && chown -h 8:9 /d/link && chmod 1755 /srv
      RUN chmod u-s /d/suid && chown 1:1 /d/sticky`,
  },
  {
    name: 'hard links of which one goes, set-uid, set-gid, FIFOs, and odd names',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM modes
      RUN echo x > /n1 && ln /n1 /n2 && ln /n1 /n3
      RUN rm /n1 && echo s > /s && chmod 6755 /s && mkfifo -m 600 /pipe && mkdir -m 3777 /both
      RUN touch "/a b" /ü "/$(printf 'n\\\\nl')" /-x '/*' /.hidden`,
  },
  {
    name: 'nothing of what the sandbox brings along is in the layer',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      RUN touch /dev/x /dev/shm/y 2>/dev/null; ls /proc/self > /dev/null; echo > /tmp/t`,
    expect: { changes: { 'tmp/t': 'file 644 0:0 "\\n"' } },
  },
  {
    name: 'an image without any folder gets none but those of its commands',
    judge: 'classic',
    why: 'BuildKit 0.8 leaves mount points behind',
    dockerfile: `
      FROM scratch
      COPY --from=alpine /bin/busybox /bin/busybox
      COPY --from=alpine /lib/ld-musl-x86_64.so.1 /lib/
      SHELL ["/bin/busybox", "sh", "-c"]
      RUN echo x > /y`,
  },
  {
    name: '/etc/hosts and the like that a command writes to do not come into the image',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN echo '1.2.3.4 x' >> /etc/hosts; echo 'nameserver 1.2.3.4' >> /etc/resolv.conf || true`,
    expect: { changes: {} },
  },
  {
    name: 'a command has nothing on its standard input',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN cat > /input; test ! -t 0`,
    expect: { changes: { input: 'file 644 0:0 ""' } },
  },
  {
    name: 'what a command leaves running ends with it',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN (sleep 300; echo late > /late) & echo now > /now`,
    expect: { changes: { now: 'file 644 0:0 "now\\n"' } },
  },
  {
    name: 'WORKDIR that is not there is made, and commands start in it',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      WORKDIR /a
      WORKDIR b/../c
      RUN pwd > here
      WORKDIR ..
      RUN pwd > here`,
  },
  {
    name: 'RUN --network=none has no network, and default has what the build has',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.3)',
    dockerfile: `
      FROM alpine
      RUN --network=none tail -n +2 /proc/net/route > /routes
      RUN --network=default true`,
    expect: { changes: { routes: 'file 644 0:0 ""' }, history: 2 },
  },
  {
    name: 'RUN --network with what is no network is refused',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.3)',
    dockerfile: `
      FROM alpine
      RUN --network=moon true`,
    refuses: /moon/,
  },
  {
    name: 'RUN --security=insecure is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN --security=insecure true`,
    refuses: /security/i,
  },
  {
    name: 'RUN --security=sandbox is how it is anyway',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.20)',
    dockerfile: `
      FROM alpine
      RUN --security=sandbox echo x > /x`,
    expect: { changes: { x: 'file 644 0:0 "x\\n"' } },
  },
  {
    name: 'RUN --device is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN --device=vendor.com/class=name true`,
    refuses: /device/i,
  },
  {
    name: 'a comment sign within a command is not a comment, a line of its own is one',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN echo a#b > /1; \\
          # a comment within
          echo "# c" >> /1 # and one for the shell`,
  },
];
