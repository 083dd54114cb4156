import { describe, expect, it } from 'vitest';
import { lintDockerfile } from '../../src/dockerfile/lint.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';

const lint = (text: string, buildArgs?: ReadonlyMap<string, string>) =>
  lintDockerfile(parseDockerfile(text, { name: 'Dockerfile' }), { buildArgs });

/** `rule line:column`. */
const found = (text: string) =>
  lint(text).map(({ rule, range: { start } }) => `${rule} ${start.line}:${start.column}`);

describe('lintDockerfile', () => {
  it.each<[string, ...string[]]>([
    ['FROM scratch\nCOPY a /a\nCMD ["/a"]'],
    // Names and keywords.
    ['FROM a AS Build', 'StageNameCasing 1:1'],
    ['FROM a AS build'],
    ['FROM a as b', 'FromAsCasing 1:1'],
    ['from a AS b', 'FromAsCasing 1:1'],
    ['from a as b'],
    ['FROM a AS b\nFROM a AS B', 'DuplicateStageName 2:1', 'StageNameCasing 2:1'],
    ['FROM a AS scratch', 'ReservedStageName 1:1'],
    ['FROM a AS context', 'ReservedStageName 1:1'],
    ['FROM a\nrun b\nRUN c', 'ConsistentInstructionCasing 2:1'],
    ['from a\nrun b\nRUN c', 'ConsistentInstructionCasing 3:1'],
    ['FROM a\nRun b', 'ConsistentInstructionCasing 2:1'],
    ['FROM a\nR\\\nUN b'],
    // Platforms.
    ['FROM --platform=$TARGETPLATFORM a', 'RedundantTargetPlatform 1:17'],
    [`FROM --platform=\${TARGETPLATFORM} a`, 'RedundantTargetPlatform 1:17'],
    ['FROM --platform=$BUILDPLATFORM a'],
    ['FROM --platform=linux/amd64 a', 'FromPlatformFlagConstDisallowed 1:17'],
    ['FROM --platform=linux/amd64 a AS build-amd64'],
    // Arguments of FROM.
    ['FROM a:$v', 'UndefinedArgInFrom 1:6', 'InvalidDefaultArgInFrom 1:6'],
    ['ARG v\nFROM a:$v', 'InvalidDefaultArgInFrom 2:6'],
    ['ARG v=1\nFROM a:$v'],
    ['ARG v\nFROM a$v'],
    [`ARG v\nFROM a:\${v:-1}`],
    ['ARG i=a/\nFROM $i', 'InvalidDefaultArgInFrom 2:6'],
    ['ARG i="a b"\nFROM $i', 'InvalidDefaultArgInFrom 2:6'],
    ['FROM a-$TARGETARCH'],
    ['FROM --platform=$p a', 'UndefinedArgInFrom 1:17'],
    // Forms.
    ['FROM a\nCMD b', 'JSONArgsRecommended 2:1'],
    ['FROM a\nENTRYPOINT b', 'JSONArgsRecommended 2:1'],
    ['FROM a\nRUN b\nCMD ["c"]'],
    ['FROM a\nSHELL ["/x"]\nCMD b'],
    ['FROM a AS b\nSHELL ["/x"]\nFROM b\nCMD c'],
    [
      'FROM a\nCMD ["b"]\nCMD ["c"]\nCMD ["d"]',
      'MultipleInstructionsDisallowed 2:1',
      'MultipleInstructionsDisallowed 3:1',
    ],
    ['FROM a\nCMD ["b"]\nFROM a\nCMD ["c"]'],
    ['FROM a\nHEALTHCHECK NONE\nHEALTHCHECK NONE', 'MultipleInstructionsDisallowed 2:1'],
    ['FROM a\nMAINTAINER b', 'MaintainerDeprecated 2:1'],
    ['FROM a\nENV b c', 'LegacyKeyValueFormat 2:1'],
    ['FROM a\nLABEL b c', 'LegacyKeyValueFormat 2:1'],
    ['FROM a\nENV b=c'],
    ['FROM a\nONBUILD ENV b c', 'LegacyKeyValueFormat 2:9'],
    ['FROM a\nEXPOSE 80/TCP 53/udp', 'ExposeProtoCasing 2:8'],
    ['FROM a\nEXPOSE 127.0.0.1:80:80 81', 'ExposeInvalidFormat 2:8'],
    ['FROM a\nEXPOSE 80 8000-8010/tcp $p/$q'],
    ['FROM a\nRUN b \\\n\n  c', 'NoEmptyContinuation 3:1'],
    ['FROM a\nRUN b \\\n# d\n  c'],
    ['FROM a\nRUN <<E\nb \\\n\nE\nRUN c \\\n\n d', 'NoEmptyContinuation 7:1'],
    // Working folders.
    ['FROM a\nWORKDIR b', 'WorkdirRelativePath 2:9'],
    ['FROM a\nWORKDIR /b\nWORKDIR c'],
    ['FROM a\nWORKDIR $b\nWORKDIR c'],
    ['FROM a AS b\nWORKDIR /b\nFROM b\nWORKDIR c'],
    ['FROM a AS b\nWORKDIR /b\nFROM a\nWORKDIR c', 'WorkdirRelativePath 4:9'],
    // Secrets.
    ['FROM a\nARG NPM_TOKEN\nRUN b', 'SecretsUsedInArgOrEnv 2:5'],
    ['FROM a\nENV PASSWORD=x API_KEY=y', 'SecretsUsedInArgOrEnv 2:5', 'SecretsUsedInArgOrEnv 2:16'],
    ['FROM a\nENV KEYBOARD=x PUBLIC_KEY=y TOKEN_FILE=z MONKEY=1'],
    // Variables.
    ['FROM scratch\nENV a=$b', 'UndefinedVar 2:7'],
    ['FROM scratch\nENV a=1 b=$a', 'UndefinedVar 2:11'],
    ['FROM scratch\nENV a=1\nENV b=$a$PATH$HTTP_PROXY'],
    ['FROM scratch\nARG a\nENV b=$a'],
    [`FROM scratch\nENV b=\${a:-x} c=\${a+y}`],
    ["FROM scratch\nENV b='$a' c=\\$a"],
    ['FROM scratch AS x\nENV a=1\nFROM x\nENV b=$a'],
    ['FROM scratch AS x\nENV a=1\nFROM scratch\nENV b=$a', 'UndefinedVar 4:7'],
    ['FROM scratch\nCOPY <<E /x\n$a\nE\nCOPY <<"E" /x\n$a\nE', 'UndefinedVar 2:6'],
    ['FROM scratch\nCMD ["$a"]'],
    // A base may set anything; only what looks mistyped is told.
    ['FROM a\nENV b=$JAVA_HOME'],
    ['FROM a\nARG VERSION\nENV b=$VERSOIN c=$VERSION', 'UndefinedVar 3:7'],
    ['ARG v=1\nFROM scratch\nENV a=$v', 'UnusedArg 1:5', 'UndefinedVar 3:7'],
    // Arguments that nothing uses.
    ['ARG v\nFROM a', 'UnusedArg 1:5'],
    ['ARG v\nFROM a\nARG v\nRUN b'],
    ['FROM a\nARG v\nCOPY b c', 'UnusedArg 2:5'],
    ['FROM a\nARG v\nCOPY $v c'],
    ['FROM a\nARG v\nRUN env'],
    ['FROM a AS b\nARG v\nFROM b\nRUN env'],
    ['FROM a AS b\nARG v\nFROM c\nRUN env', 'UnusedArg 2:5'],
    // Stages.
    ['FROM a AS builder\nFROM b\nCOPY --from=bulider /x /y', 'UndefinedStage 3:13'],
    ['FROM a AS builder\nFROM b\nCOPY --from=Builder /x /y'],
    ['FROM a AS builder\nFROM b\nCOPY --from=nginx /x /y\nCOPY --from=0 /x /y\nCOPY --from=builder:1 /x /y'],
    ['FROM a\nCOPY --from=late /x /y\nFROM b AS late', 'UndefinedStage 2:13'],
    ['FROM a AS builder\nFROM b\nRUN --mount=from=bilder,target=/x c', 'UndefinedStage 3:13'],
    // What the file itself leaves out.
    ['# check=skip=JSONArgsRecommended\nFROM a AS B\nCMD b', 'StageNameCasing 2:1'],
    ['# check=skip=JSONArgsRecommended,StageNameCasing\nFROM a AS B\nCMD b'],
    ['# check=skip=all\nFROM a AS B\nCMD b'],
    ['# check=error=true\nFROM a\nCMD b', 'JSONArgsRecommended 3:1'],
  ])('%j', (text, ...expected) => {
    expect(found(text)).toEqual(expected);
  });

  it('takes values of arguments for their defaults', () => {
    expect(lint('ARG v\nFROM a:$v', new Map([['v', '1']]))).toEqual([]);
  });

  it('says what is meant', () => {
    const [warning] = lint('FROM a AS builder\nFROM b\nCOPY --from=bulider /x /y');
    expect(warning).toEqual({
      rule: 'UndefinedStage',
      message: "no stage is named bulider (did you mean builder?); it is an image's name",
      range: { start: { line: 3, column: 13 }, end: { line: 3, column: 20 } },
    });
  });

  it('takes large files', () => {
    const chain = Array.from(
      { length: 500 },
      (_, at) => `FROM s${at} AS s${at + 1}\nARG a${at}\nENV b=$zz c=$a${at}\n`,
    );
    expect(lint(chain.join('')).every(({ rule }) => rule === 'UndefinedVar')).toBe(true);
  });
});
