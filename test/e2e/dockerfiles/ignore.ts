import type { Case } from './case.ts';

const TREE: Case['files'] = {
  a: 'a',
  'a.log': 'l',
  'b.txt': 'b',
  '.git/config': 'g',
  'src/main.c': 'm',
  'src/a.log': 'l',
  'src/deep/keep.log': 'k',
  'src/deep/x.tmp': 't',
  'node_modules/m/index.js': 'j',
  'docs/README.md': 'r',
  'docs/more.md': 'm',
};
const COPY_ALL = `
      FROM alpine
      COPY . /out/`;

export const IGNORE: readonly Case[] = [
  {
    name: '.dockerignore with names, wildcards and folders',
    files: { ...TREE, '.dockerignore': '# comment\n\n.git\n*.log\nnode_modules/\n  b.txt  \n#a\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
  },
  {
    name: '.dockerignore with **, ? and classes',
    files: { ...TREE, '.dockerignore': '**/*.log\nsrc/**/?.tmp\n[ab].txt\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
  },
  {
    name: '.dockerignore with !: the last match wins',
    files: {
      ...TREE,
      '.dockerignore': '*.md\ndocs\n!docs/README.md\n**/*.log\n!src/**/keep.log\nsrc/deep/x*\n',
    },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
  },
  {
    name: '.dockerignore that lets in only what it names',
    files: { ...TREE, '.dockerignore': '*\n!src\nsrc/deep\n!src/deep/keep.log\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
  },
  {
    name: '.dockerignore cleans its paths: /, ./, .., slashes at the end',
    files: { ...TREE, '.dockerignore': '/a\n./b.txt\nsrc/../docs\nsrc//deep/\n/\n! a.log\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
  },
  {
    name: '.dockerignore with CRLF and a BOM',
    files: { ...TREE, '.dockerignore': '\ufeffa\r\n*.log\r\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
  },
  {
    name: 'the Dockerfile and .dockerignore can be ignored, and are read still',
    files: { f: 'f', '.dockerignore': 'Dockerfile\n.dockerignore\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
    expect: { changes: { out: 'dir 755 0:0', 'out/f': 'file 644 0:0 "f"' } },
  },
  {
    name: 'NAME.dockerignore beats the common one',
    files: { a: 'a', b: 'b', '.dockerignore': 'b\n', 'build/web.Dockerfile.dockerignore': 'a\nbuild\n' },
    path: 'build/web.Dockerfile',
    judge: 'buildkit',
    dockerfile: COPY_ALL,
  },
  {
    name: 'a source that is ignored is not there',
    files: { secret: 's', '.dockerignore': 'secret\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY secret /x`,
    refuses: /secret/,
  },
  {
    name: 'a folder of which all is ignored but a file deep in it keeps its mode',
    files: {
      ...TREE,
      src: { mode: 0o711 },
      'src/deep': { mode: 0o701 },
      '.dockerignore': 'src\n!src/deep/keep.log\n',
    },
    judge: 'buildkit',
    dockerfile: COPY_ALL,
  },
  {
    name: 'wildcards of COPY see nothing that is ignored',
    files: { ...TREE, '.dockerignore': '**/*.log\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      COPY a* s*/* /out/`,
  },
  {
    name: 'a pattern of .dockerignore that is none is refused',
    files: { a: 'a', '.dockerignore': '[\n' },
    judge: ['buildkit', 'classic'],
    dockerfile: COPY_ALL,
    refuses: /\[|pattern/,
  },
];
