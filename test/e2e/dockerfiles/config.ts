import type { Case } from './case.ts';

const SECOND = 1_000_000_000;

export const CONFIG: readonly Case[] = [
  {
    name: 'CMD and ENTRYPOINT in exec form, and empty',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENTRYPOINT ["/bin/echo", "a b", ""]
      CMD ["c", "\\u00e9\\n"]`,
    expect: { config: { Cmd: ['c', 'é\n'], Entrypoint: ['/bin/echo', 'a b', ''] }, history: 2 },
  },
  {
    name: 'CMD and ENTRYPOINT in shell form',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENTRYPOINT exec   top -b  "x"
      CMD echo $HOME && \\
          date`,
  },
  {
    name: 'an ENTRYPOINT clears a CMD that was inherited',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      ENTRYPOINT ["/bin/cat"]`,
  },
  {
    name: 'an ENTRYPOINT keeps a CMD of its own stage, before or after it',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      CMD ["mine"]
      ENTRYPOINT ["/bin/cat"]`,
  },
  {
    name: 'a CMD of the stage below is an inherited one',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine AS below
      CMD ["below"]
      FROM below
      ENTRYPOINT ["/bin/cat"]`,
  },
  {
    name: 'CMD keeps the ENTRYPOINT of the base; empty lists clear',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      CMD ["other"]`,
  },
  {
    name: 'an empty ENTRYPOINT and an empty CMD',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      ENTRYPOINT []
      CMD []`,
  },
  {
    name: 'the last of several counts',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      CMD one
      CMD ["two"]
      ENTRYPOINT ["one"]
      ENTRYPOINT ["two"]
      USER a
      USER 7
      STOPSIGNAL SIGHUP
      STOPSIGNAL 9
      HEALTHCHECK CMD one
      HEALTHCHECK CMD ["two"]`,
  },
  {
    name: 'SHELL holds for RUN, CMD and ENTRYPOINT after it, and for the stages built on it',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS below
      CMD before
      SHELL ["/bin/sh", "-xc"]
      ENTRYPOINT after
      RUN echo "$-" > /flags
      FROM below
      CMD on top`,
  },
  {
    name: 'SHELL of a base image',
    judge: 'buildkit',
    dockerfile: `
      FROM configured
      USER 0
      CMD shell form
      RUN echo "$-" | grep -o e > /flags`,
  },
  {
    name: 'SHELL in shell form is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      SHELL /bin/sh -c`,
    refuses: /SHELL/,
  },
  {
    name: 'LABEL: several, quoted, over lines, replaced, empty, and as one pair in the old form',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      LABEL a=1 "b c"="d e" f="multi \\
      line" empty= shared=mine
      LABEL old form of it
      LABEL org.example.x='single "double"' j={"json":true}`,
  },
  {
    name: 'MAINTAINER',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      MAINTAINER Somebody <some@body.example>`,
    expect: { config: {}, changes: {}, history: 1 },
  },
  {
    name: 'USER by name, number and group, which need not be there',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      USER nobody:nogroup
      USER 12:34
      USER stranger`,
    expect: { config: { User: 'stranger' }, history: 3 },
  },
  {
    name: 'RUN as a user that is not there fails',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      USER stranger
      RUN true`,
    refuses: /stranger/,
  },
  {
    name: 'EXPOSE: ports, protocols, ranges, upper case, twice',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      EXPOSE 80 443/tcp 5000-5003 53/UDP 80/tcp
      EXPOSE 7000-7001/udp`,
  },
  {
    name: 'EXPOSE of host:container takes the container',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      EXPOSE 8080:80`,
  },
  {
    name: 'EXPOSE of what is no port is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      EXPOSE http`,
    refuses: /http/,
  },
  {
    name: 'VOLUME in both forms, added to those of the base',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      VOLUME /a /b/c
      VOLUME ["/d e", "/vol"]`,
  },
  {
    name: 'what RUN writes below a VOLUME stays in the image, as COPY does',
    files: { f: 'f' },
    judge: 'buildkit',
    why: 'the classic builder throws it away',
    dockerfile: `
      FROM alpine
      VOLUME /data
      RUN mkdir -p /data && echo x > /data/x
      COPY f /data/`,
    expect: {
      changes: { data: 'dir 755 0:0', 'data/f': 'file 644 0:0 "f"', 'data/x': 'file 644 0:0 "x\\n"' },
      config: { Volumes: { '/data': {} } },
    },
  },
  {
    name: 'WORKDIR: absolute, relative, climbing, quoted, with a slash at its end',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      WORKDIR /a//b/
      WORKDIR c/./d
      WORKDIR ../../e
      WORKDIR "with blank"`,
  },
  {
    name: "WORKDIR is relative to the base's, and made as its USER",
    judge: 'buildkit',
    dockerfile: `
      FROM configured
      WORKDIR below`,
  },
  {
    name: 'WORKDIR is made as USER',
    judge: 'buildkit',
    dockerfile: `
      FROM users
      USER app:staff2
      WORKDIR /made/for/app`,
  },
  {
    name: 'WORKDIR through a link of the image',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM linked
      WORKDIR /data/made
      RUN echo > in`,
  },
  {
    name: 'WORKDIR at a file is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      WORKDIR /etc/passwd`,
    refuses: /etc\/passwd/,
  },
  {
    name: 'HEALTHCHECK with all it has, but for what is newer',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1h --retries=5 CMD wget -q localhost || exit 1`,
  },
  {
    name: 'HEALTHCHECK --start-interval',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.6)',
    dockerfile: `
      FROM alpine
      HEALTHCHECK --start-interval=3s CMD ["true"]`,
    expect: { config: { Healthcheck: { Test: ['CMD', 'true'], StartInterval: 3 * SECOND } } },
  },
  {
    name: 'HEALTHCHECK in exec form',
    judge: 'buildkit',
    dockerfile: `
      FROM configured
      HEALTHCHECK --timeout=2s CMD ["true"]`,
  },
  {
    name: 'HEALTHCHECK NONE',
    judge: 'buildkit',
    dockerfile: `
      FROM configured
      HEALTHCHECK none`,
    expect: { base: 'configured', config: { Healthcheck: { Test: ['NONE'] } } },
  },
  {
    name: 'HEALTHCHECK with no retries is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      HEALTHCHECK --retries=0 CMD true`,
    refuses: /retries/,
  },
  {
    name: 'HEALTHCHECK with a time that is none is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      HEALTHCHECK --interval=soon CMD true`,
    refuses: /soon/,
  },
  {
    name: 'HEALTHCHECK with too short a time is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      HEALTHCHECK --interval=1us CMD true`,
    refuses: /interval/,
  },
  {
    name: 'HEALTHCHECK of another kind is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      HEALTHCHECK EXEC true`,
    refuses: /EXEC/i,
  },
  {
    name: 'STOPSIGNAL that is no signal is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      STOPSIGNAL SIGNOTHING`,
    refuses: /SIGNOTHING/,
  },
  {
    name: 'an image without PATH gets one',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM nopath
      LABEL a=b`,
    expect: {
      base: 'nopath',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        Labels: { a: 'b' },
      },
    },
  },
  {
    name: 'everything of the base stays where nothing is said',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured`,
    expect: { base: 'configured', changes: {}, config: {}, history: 0 },
  },
  {
    name: 'a long file with one of each',
    files: { app: { content: '#!/bin/sh\n', mode: 0o755 } },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      # An application as people write them.
      FROM alpine
      LABEL maintainer="x@example.com" \\
            version="1.0"
      ENV APP_HOME=/srv/app \\
          APP_PORT=8080
      RUN addgroup -S app && adduser -S -G app app \\
       && mkdir -p "$APP_HOME" \\
       && chown app:app "$APP_HOME"
      WORKDIR $APP_HOME
      COPY --chown=100:101 app ./bin/app
      USER app
      EXPOSE $APP_PORT
      VOLUME ["/srv/app/data"]
      HEALTHCHECK --interval=30s CMD wget -q -O- localhost:$APP_PORT || exit 1
      STOPSIGNAL SIGTERM
      ENTRYPOINT ["/srv/app/bin/app"]
      CMD ["--port", "8080"]`,
  },
];
