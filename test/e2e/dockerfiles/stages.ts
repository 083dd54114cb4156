import type { Case } from './case.ts';

export const STAGES: readonly Case[] = [
  {
    name: 'a builder and what it made',
    files: { 'main.sh': 'echo hello\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine as builder
      COPY main.sh .
      RUN cp main.sh program && chmod +x program
      FROM alpine
      COPY --from=builder /program /usr/local/bin/program
      CMD ["program"]`,
    expect: {
      changes: { 'usr/local/bin/program': 'file 755 0:0 "echo hello\\n"' },
      config: { Cmd: ['program'] },
      history: 2,
    },
  },
  {
    name: 'a stage that nothing needs is not run',
    judge: 'buildkit',
    why: 'the classic builder runs all',
    dockerfile: `
      FROM alpine AS fails
      RUN false
      FROM no-such-image.invalid/x AS unknown
      FROM alpine AS last
      RUN echo > /ran`,
    expect: { changes: { ran: 'file 644 0:0 "\\n"' } },
  },
  {
    name: '--target ends at its stage',
    judge: ['buildkit', 'classic'],
    target: 'middle',
    dockerfile: `
      FROM alpine AS first
      RUN echo 1 > /1
      FROM first AS middle
      ENV MIDDLE=1
      FROM middle AS last
      RUN false`,
  },
  {
    name: '--target in other letters',
    judge: 'buildkit',
    target: 'ONE',
    dockerfile: `
      FROM alpine AS zero
      FROM alpine AS One
      ENV stage=one
      FROM alpine AS two`,
  },
  {
    name: '--target that is no stage is refused',
    judge: ['buildkit', 'classic'],
    target: 'missing',
    dockerfile: `
      FROM alpine AS one`,
    refuses: /missing/,
  },
  {
    name: 'FROM a stage inherits files and config',
    judge: 'buildkit',
    dockerfile: `
      FROM configured AS one
      ENV ONE=1
      USER root
      WORKDIR /one
      RUN echo 1 > 1
      FROM one AS two
      RUN pwd > 2; echo "$ONE $A" >> 2`,
  },
  {
    name: 'FROM a stage in other letters',
    judge: 'classic',
    why: 'BuildKit takes it for the name of an image first, which must not have capitals',
    dockerfile: `
      FROM alpine AS Lower
      ENV A=1
      FROM LOWER
      ENV B=$A`,
  },
  {
    name: 'FROM BUG_stage in capitals is the stage',
    judge: 'classic',
    why: 'BuildKit takes it for the name of an image first, which must not have capitals',
    dockerfile: `
      FROM alpine AS BUG_stage
      RUN echo bug > /bug
      FROM BUG_stage
      RUN cat /bug > /copy`,
    expect: { changes: { bug: 'file 644 0:0 "bug\\n"', copy: 'file 644 0:0 "bug\\n"' } },
  },
  {
    name: 'a stage named like an image hides the image in later stages',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS users
      RUN echo stage > /stage
      FROM users
      RUN cat /stage`,
  },
  {
    name: 'a stage named like its own image',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS alpine
      ENV A=1
      FROM alpine
      ENV B=x\${A}x`,
  },
  {
    name: 'of two stages with one name the later counts',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine AS same
      ENV A=1
      FROM alpine AS same
      ENV A=2
      FROM same
      ENV B=$A`,
  },
  {
    name: 'a name that is no name of a stage is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS 1st
      RUN true`,
    refuses: /1st/,
  },
  {
    name: 'FROM scratch',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM scratch
      COPY f /f
      CMD ["/f"]`,
    expect: { base: 'scratch', changes: { f: 'file 644 0:0 "f"' }, config: expectScratch(), history: 2 },
  },
  {
    name: 'FROM scratch with nothing in it but config',
    judge: 'hand',
    why: 'docker can make an image without layers, and not save it',
    dockerfile: `
      FROM scratch
      LABEL a=b`,
    expect: {
      base: 'scratch',
      changes: {},
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        Labels: { a: 'b' },
      },
      history: 1,
    },
  },
  {
    name: 'FROM an image that is not there is refused, by its name',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM localhost:1/no/such-image:tag`,
    refuses: /no\/such-image/,
  },
  {
    name: 'FROM with words that do not belong there is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine is builder`,
    refuses: /FROM/,
  },
  {
    name: 'an instruction before FROM is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      RUN true
      FROM alpine`,
    refuses: /RUN|FROM|build stage/i,
  },
  {
    name: 'FROM --platform of this machine',
    judge: 'buildkit',
    dockerfile: `
      FROM --platform=linux/amd64 alpine AS one
      RUN echo 1 > /1
      FROM --platform=$BUILDPLATFORM alpine
      COPY --from=one /1 /1`,
  },
  {
    name: 'a file that a stage further on has is not in the one before',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine AS a
      RUN mkdir /o && echo a > /o/a
      FROM alpine AS b
      COPY --from=a /o /o
      RUN echo b > /o/b
      FROM b AS c
      RUN echo c > /o/c
      FROM alpine
      COPY --from=c /o /o
      COPY --from=a /o/a /o/b /other/`,
    refuses: /o\/b/,
  },
  {
    name: 'what a stage changes in its base is in what is copied from it',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM modes AS a
      RUN rm /d/a && chmod 600 /d/b && echo n > /d/private/n
      FROM a AS b
      RUN rm -rf /d/sticky && chown 77:78 /d/private
      FROM alpine
      COPY --from=b /d/b /d/suid /files/
      COPY --from=b /d/private /private`,
  },
];

function expectScratch() {
  return { Cmd: ['/f'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] };
}
