import type { Case } from './case.ts';

export const TEXT: readonly Case[] = [
  {
    name: 'a BOM, CRLF, and no line break at the end',
    judge: ['buildkit', 'classic'],
    dockerfile: '\ufeffFROM alpine\r\nENV A=1 \\\r\n    B=2\r\nRUN echo x \\\r\n  > /x\r\nCMD ["a"]',
    expect: {
      changes: { x: 'file 644 0:0 "x\\n"' },
      config: {
        Cmd: ['a'],
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=1', 'B=2'],
      },
      history: 3,
    },
  },
  {
    name: 'comments and empty lines within a continuation',
    judge: ['buildkit', 'classic'],
    dockerfile:
      'FROM alpine\nRUN echo 1 > /1 && \\\n# comment\n\n   # another \\\n   echo 2 > /2 && \\\n\n\techo 3 > /3\nENV A=1 \\\n# c\n B=2\n',
  },
  {
    name: 'tabs, blanks before instructions and after backslashes, mixed letters',
    judge: ['buildkit', 'classic'],
    dockerfile: '  from alpine\n\tEnv\tA=1\t B=2  \n rUn echo a \\  \n   b\t> /ab\n#\n   # c\nCMD\t["x"]  \n',
  },
  {
    name: 'a backslash in the middle of a word joins it',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM al\\\npine\nRUN ec\\\nho "one\\\n two" > /o\\\nut\n',
  },
  {
    name: 'a very long line, and very many lines',
    judge: ['buildkit', 'classic'],
    dockerfile: `FROM alpine\nLABEL long=${'x'.repeat(20_000)}\nRUN ${Array.from({ length: 400 }, (_, at) => `echo ${at}`).join(' >> /n; \\\n    ')} >> /n\n`,
  },
  {
    name: '# escape=` changes the escape character',
    judge: ['buildkit', 'classic'],
    dockerfile: '# escape=`\nFROM alpine\nENV A=a\\b B=c`$d E=`e\nRUN echo 1 `\n  > /1\n',
  },
  {
    name: 'a directive after a comment is a comment',
    judge: ['buildkit', 'classic'],
    dockerfile: '# a comment\n# escape=`\nFROM alpine\nRUN echo \\\n a > /a\n',
  },
  {
    name: 'a directive twice is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: '# escape=\\\n# escape=`\nFROM alpine\n',
    refuses: /escape/,
  },
  {
    name: 'a wrong escape character is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: '# escape=x\nFROM alpine\n',
    refuses: /escape/i,
  },
  {
    name: '# syntax= is accepted and never fetched',
    judge: 'classic',
    why: 'BuildKit fetches it',
    dockerfile: '# syntax=no-such-registry.invalid/dockerfile:1\nFROM alpine\nENV A=1\n',
  },
  {
    name: '# check= is accepted, and so are directives one does not know',
    judge: ['buildkit', 'classic'],
    dockerfile: '# check=skip=all\n# unknown=1\nFROM alpine\nENV A=1\n',
  },
  {
    name: 'an empty file is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: '\n# nothing\n\n',
    refuses: /empty|FROM|no build stage|instruction/i,
  },
  {
    name: 'an instruction that does not exist is refused, with its line',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM alpine\n\nRUNN true\n',
    refuses: /3.*RUNN|RUNN.*3/is,
  },
  {
    name: 'an instruction without arguments is refused',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM alpine\nWORKDIR\n',
    refuses: /WORKDIR/,
  },
  {
    name: 'more arguments than an instruction takes are refused',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM alpine\nSTOPSIGNAL 1 2\n',
    refuses: /STOPSIGNAL/,
  },
  {
    name: 'a continuation at the very end of the file',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM alpine\nRUN echo a > /a \\\n',
  },
  {
    name: 'quotes that do not end in a value are refused',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM alpine\nENV A="open\n',
    refuses: /"|quote/,
  },
  {
    name: 'text beyond ASCII',
    judge: ['buildkit', 'classic'],
    dockerfile: 'FROM alpine\nENV Ä=ö 日本=語\nLABEL "größe"="€ 5"\nRUN echo "日本語 🎉" > /ü\n',
  },
];
