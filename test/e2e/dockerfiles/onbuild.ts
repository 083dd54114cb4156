import type { Case } from './case.ts';

export const ONBUILD: readonly Case[] = [
  {
    name: 'ONBUILD is kept in the config as written, and does nothing now',
    judge: ['buildkit', 'classic'],
    // BuildKit writes no history for ONBUILD, the classic builder does.
    apartFields: ['history'],
    dockerfile: `
      FROM alpine
      ONBUILD RUN echo   "$X"  > /x
      onbuild COPY . /src
      ONBUILD ENV A=$B`,
    expect: {
      changes: {},
      config: { OnBuild: ['RUN echo   "$X"  > /x', 'COPY . /src', 'ENV A=$B'] },
    },
  },
  {
    name: 'triggers of an image fire after FROM, and are cleared',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    args: { WHO: 'given' },
    dockerfile: `
      FROM triggers
      RUN pwd > /pwd; echo "$FIRED $WHO" >> /pwd`,
  },
  {
    name: 'triggers of an image with arguments that are not given',
    files: { f: 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM triggers
      LABEL who=$WHO`,
  },
  {
    name: 'triggers of a stage of the same file fire in the stage built on it',
    judge: 'buildkit',
    // BuildKit writes no history for ONBUILD, the classic builder does.
    apartFields: ['history'],
    dockerfile: `
      FROM alpine AS below
      ONBUILD RUN echo fired > /fired
      ONBUILD ENV FIRED=1
      FROM below AS above
      RUN cat /fired > /seen
      FROM above
      ENV LAST=1`,
  },
  {
    name: 'triggers that are there in the target itself stay',
    judge: ['buildkit', 'classic'],
    files: { f: 'f' },
    // BuildKit writes no history for ONBUILD, the classic builder does.
    apartFields: ['history'],
    dockerfile: `
      FROM triggers
      ONBUILD RUN true`,
  },
  {
    name: 'a trigger may name a stage and an image that the file does not',
    judge: 'classic',
    why: 'BuildKit has it since Dockerfile 1.11',
    dockerfile: `
      FROM alpine AS helper
      RUN echo helped > /made
      FROM trigger-from`,
    expect: {
      base: 'trigger-from',
      changes: {
        'from-image': 'file 644 0:0 "3.20.3\\n"',
        'from-stage': 'file 644 0:0 "helped\\n"',
      },
      config: { OnBuild: null },
      history: 2,
    },
  },
  {
    name: 'a trigger with a here-document',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.4)',
    dockerfile: `
      FROM alpine AS below
      ONBUILD RUN <<EOF
      echo fired > /fired
      EOF
      FROM below`,
    expect: { changes: { fired: 'file 644 0:0 "fired\\n"' } },
  },
  {
    name: 'ONBUILD ONBUILD is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ONBUILD ONBUILD RUN true`,
    refuses: /ONBUILD/,
  },
  {
    name: 'ONBUILD FROM is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ONBUILD FROM alpine`,
    refuses: /FROM/,
  },
  {
    name: 'ONBUILD MAINTAINER is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ONBUILD MAINTAINER x`,
    refuses: /MAINTAINER/,
  },
];
