import type { Case } from './case.ts';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const ENV_ARG: readonly Case[] = [
  {
    name: 'both forms of ENV, quotes, escapes and blanks',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV OLD   one two  "three"
      ENV A=1 B="x y" C='$A' D=\\$A E=a\\ b F= G="" H="q\\"q" I='s"s' J=a"b c"d'e f'
      ENV LONG=1 \\
          LINES=2
      ENV URL=http://x/?a=b&c=d`,
  },
  {
    name: 'one value an instruction: a line of ENV sees none of its own',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV a=old
      ENV a=new b=$a c=\${b:-none}
      ENV d=$a e=$b`,
    expect: {
      config: { Env: [PATH, 'a=new', 'b=old', 'c=none', 'd=new', 'e=old'] },
    },
  },
  {
    name: 'ENV sets a variable of the base anew, in its place',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM configured
      ENV NEW=1 A="$A-more" PATH=/opt/bin:$PATH`,
  },
  {
    name: 'substitution with a colon',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV set=value empty=
      ENV a=\${set:-y} b=\${empty:-y} c=\${unset:-y} d=\${set:+y} e=\${empty:+y} f=\${unset:+y}
      ENV g=\${unset:-$set} h=\${unset:-\${empty:-deep}} i=x\${set}y j=$set-x k=$unset l=\${set:-}`,
  },
  {
    name: 'substitution without a colon: unset is not empty',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.7)',
    dockerfile: `
      FROM alpine
      ENV set=value empty=
      ENV a=\${set-y} b=\${empty-y} c=\${unset-y} d=\${set+y} e=\${empty+y} f=\${unset+y} g=\${set?m} h=\${empty?m}`,
    expect: {
      config: {
        Env: [PATH, 'set=value', 'empty=', 'a=value', 'b=', 'c=y', 'd=y', 'e=y', 'f=', 'g=value', 'h='],
      },
    },
  },
  {
    name: 'the message of :? for an empty variable ends the build',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      ENV empty=
      ENV a="\${empty:?must be set}"`,
    refuses: /must be set/,
  },
  {
    name: 'the message of ? for an unset variable ends the build',
    judge: 'hand',
    why: 'BuildKit 0.8 reads it otherwise',
    dockerfile: `
      FROM alpine
      ENV a="\${unset?must be there}"`,
    refuses: /must be there/,
  },
  {
    name: 'prefixes, suffixes and replacements',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.7)',
    dockerfile: `
      FROM alpine
      ENV f=foobarbaz p=/usr/lib/x.tar.gz
      ENV a=\${f#f*b} b=\${f##f*b} c=\${f%b*} d=\${f%%b*} e=\${f/ba/BA} g=\${f//ba/BA} h=\${f#x}
      ENV i=\${p##*/} j=\${p%.gz} k=\${p%%.*} l=\${p#/*/} m=\${f//?a/_} n=\${f/r/}`,
    expect: {
      config: {
        Env: [
          PATH,
          'f=foobarbaz',
          'p=/usr/lib/x.tar.gz',
          'a=arbaz',
          'b=az',
          'c=foobar',
          'd=foo',
          'e=fooBArbaz',
          'g=fooBArBAz',
          'h=foobarbaz',
          'i=x.tar.gz',
          'j=/usr/lib/x.tar',
          'k=/usr/lib/x',
          'l=lib/x.tar.gz',
          'm=foo_r_z',
          'n=foobabaz',
        ],
      },
    },
  },
  {
    name: 'a substitution that is not closed, and one that does not exist, are refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV a=\${b`,
    refuses: /\$\{b/,
  },
  {
    name: 'an operator that does not exist is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV a=\${b:!c}`,
    refuses: /\$\{b:!c\}/,
  },
  {
    name: 'ENV with no value is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV alone`,
    refuses: /ENV/,
  },
  {
    name: 'variables in every instruction that has them',
    files: { 'f-1': 'f' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV V=1 NAME=name P=8080 S=SIGTERM DIR=/dir
      LABEL key.$NAME=$V "quoted $NAME"="$V"
      EXPOSE $P 1\${P}/udp
      VOLUME $DIR \${DIR}2
      WORKDIR $DIR/\${NAME}
      USER $V:\${V}
      STOPSIGNAL $S
      COPY f-$V $NAME
      ADD f-$V \${NAME}2
      CMD ["$V"]
      ENTRYPOINT echo $V`,
  },
  {
    name: 'ARG with and without value, given and not given, several on a line',
    judge: 'buildkit',
    args: { A: 'given', B: 'given b', E: '' },
    dockerfile: `
      FROM alpine
      ARG A
      ARG B=default C=default D E=default
      ENV a=$A b=$B c=$C d=\${D:-unset} e=x\${E}x
      RUN env | grep -E '^[A-E]=' | sort > /args`,
    expect: {
      changes: { args: 'file 644 0:0 "A=given\\nB=given b\\nC=default\\nE=\\n"' },
      config: { Env: [PATH, 'a=given', 'b=given b', 'c=default', 'd=unset', 'e=xx'] },
    },
  },
  {
    name: 'ARG defaults use earlier ones',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      ARG A=1
      ARG B=$A-2
      ARG C="\${B} 3"
      ENV c=$C
      RUN echo "$C" > /c`,
  },
  {
    name: 'the name of an ARG is not expanded',
    judge: 'hand',
    why: 'BuildKit 0.8 does expand it; later ones expand values alone',
    dockerfile: `
      FROM alpine
      ARG N=A
      ARG \${N}=1
      ENV a=x\${A}x`,
    expect: {
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'a=xx'] },
    },
  },
  {
    name: 'SOURCE_DATE_EPOCH is there for commands where it is declared',
    judge: 'buildkit',
    args: { SOURCE_DATE_EPOCH: '5' },
    dockerfile: `
      FROM alpine
      RUN echo "x\${SOURCE_DATE_EPOCH}x" > /before
      ARG SOURCE_DATE_EPOCH
      RUN echo "x\${SOURCE_DATE_EPOCH}x" > /after`,
  },
  {
    name: 'an argument is not there before its ARG',
    judge: ['buildkit', 'classic'],
    args: { A: 'given' },
    dockerfile: `
      FROM alpine
      ENV early="\${A:-not yet}"
      RUN echo "early $A" > /early
      ARG A
      ENV late=$A`,
  },
  {
    name: 'of an ENV and an ARG with a value given, the later wins for later steps',
    judge: 'buildkit',
    why: 'with the classic builder ENV always wins',
    args: { A: 'arg', B: 'arg' },
    dockerfile: `
      FROM alpine
      ENV A=env
      ARG A
      ARG B
      ENV B=env
      RUN echo "$A $B" > /out
      ENV seen="$A $B"`,
  },
  {
    name: 'an ARG with a value after an ENV wins for later steps, while the image keeps the ENV',
    judge: 'buildkit',
    dockerfile: `
      FROM alpine
      ENV A=env
      ARG A=arg
      ENV seen=$A
      RUN echo "$A" > /out`,
  },
  {
    name: 'global arguments need redeclaring in a stage, and have their value then',
    judge: ['buildkit', 'classic'],
    args: { GIVEN: 'given' },
    dockerfile: `
      ARG BASE=alpine
      ARG GLOBAL=global
      ARG GIVEN=default
      FROM $BASE
      ENV none=x\${GLOBAL}x
      ARG GLOBAL
      ARG GIVEN
      ENV a=$GLOBAL b=$GIVEN`,
  },
  {
    name: 'a default in a stage beats the global one, a given value beats both',
    judge: ['buildkit', 'classic'],
    args: { B: 'given' },
    dockerfile: `
      ARG A=global
      ARG B=global
      FROM alpine
      ARG A=stage
      ARG B=stage
      ENV a=$A b=$B`,
    expect: { config: { Env: [PATH, 'a=stage', 'b=given'] } },
  },
  {
    name: 'arguments of a stage reach the stages built on it, and no others',
    judge: 'buildkit',
    args: { C: 'given' },
    dockerfile: `
      FROM alpine AS one
      ARG A=one
      ARG C
      FROM one AS two
      RUN echo "$A $C" > /two
      FROM alpine
      ENV A=\${A:-none}
      COPY --from=two /two /two`,
  },
  {
    name: 'platform arguments in FROM without declaration, in a stage with it',
    judge: 'buildkit',
    dockerfile: `
      FROM --platform=$TARGETPLATFORM alpine AS amd64
      ENV none=x\${TARGETARCH}x
      ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT
      ARG BUILDPLATFORM
      ARG BUILDOS
      ARG BUILDARCH
      ENV a=$TARGETPLATFORM b=$TARGETOS c=$TARGETARCH d=x\${TARGETVARIANT}x e=$BUILDPLATFORM f=$BUILDOS g=$BUILDARCH
      RUN env | grep -E '^(TARGET|BUILD)' | sort > /env
      FROM $TARGETARCH`,
    expect: {
      changes: {
        env: 'file 644 0:0 "BUILDARCH=amd64\\nBUILDOS=linux\\nBUILDPLATFORM=linux/amd64\\nTARGETARCH=amd64\\nTARGETOS=linux\\nTARGETPLATFORM=linux/amd64\\nTARGETVARIANT=\\n"',
      },
    },
  },
  {
    name: 'TARGETSTAGE is the target',
    judge: 'hand',
    why: 'newer than the builders at hand (Dockerfile 1.10)',
    target: 'two',
    dockerfile: `
      FROM alpine AS two
      ARG TARGETSTAGE
      ENV stage=$TARGETSTAGE
      FROM alpine AS three`,
    expect: { config: { Env: [PATH, 'stage=two'] } },
  },
  {
    name: 'proxy arguments are there for commands undeclared, and nowhere else',
    judge: 'buildkit',
    args: { HTTPS_PROXY: 'http://p.invalid', no_proxy: 'localhost' },
    dockerfile: `
      FROM alpine
      ENV seen=x\${HTTPS_PROXY}x
      RUN env | grep -i _proxy | sort > /proxies`,
  },
  {
    name: 'an argument that nothing declares does not end the build',
    judge: ['buildkit', 'classic'],
    args: { STRAY: '1' },
    dockerfile: `
      FROM alpine
      RUN echo "x\${STRAY}x" > /stray`,
    expect: { changes: { stray: 'file 644 0:0 "xx\\n"' } },
    prints: /STRAY/,
  },
  {
    name: 'an argument in the name and tag of FROM, with a default in its place',
    judge: 'buildkit',
    args: { TAG: 'latest' },
    dockerfile: `
      ARG TAG
      ARG NAME
      FROM \${NAME:-alpine}:\${TAG}`,
    expect: { changes: {}, config: {}, history: 0 },
  },
  {
    name: 'FROM with an argument that is empty is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      ARG BASE
      FROM $BASE`,
    refuses: /FROM|base name/i,
  },
  {
    name: 'values with = and blanks given for arguments',
    judge: ['buildkit', 'classic'],
    args: { A: 'x=y z', B: '$HOME "q" \\' },
    dockerfile: `
      FROM alpine
      ARG A
      ARG B
      RUN printf '%s|%s' "$A" "$B" > /args`,
  },
  {
    name: 'CMD, ENTRYPOINT and RUN are not expanded by the builder',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ENV A=1
      ARG B=2
      CMD echo $A \${B:-3} "$(date)"
      ENTRYPOINT ["$A", "\${B}"]
      HEALTHCHECK CMD echo $A`,
  },
  {
    name: 'secrets by name in ENV and ARG are taken, though one warns of them',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      ARG PASSWORD=1
      ENV API_TOKEN=2`,
  },
];
