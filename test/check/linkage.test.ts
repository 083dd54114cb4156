import { describe, expect, it } from 'vitest';
import { checkLinkage, type Program } from '../../src/check/linkage.ts';
import type { Linkage } from '../../src/elf/linkage.ts';
import { type Files, linked, treeOf } from '../support/trees.ts';

const GLIBC = '/lib64/ld-linux-x86-64.so.2';
const MUSL = '/lib/ld-musl-x86_64.so.1';
function findings(
  program: Partial<Program> & { linkage: Linkage },
  files: Files,
  env: readonly string[] = [],
) {
  const whole = { path: '/app/bin/x', interpreter: GLIBC, ...program };
  return checkLinkage(whole, { tree: treeOf(files), base: 'the base', config: { Env: env } });
}
const rules = async (...args: Parameters<typeof findings>) =>
  (await findings(...args)).map(({ rule }) => rule);

const LIBC = { versionsDefined: ['GLIBC_2.2.5', 'GLIBC_2.9', 'GLIBC_2.36'] };
const debian = {
  'app/bin/x': '',
  'lib64/ld-linux-x86-64.so.2': '-> ../usr/lib/x86_64-linux-gnu/ld.so',
  'usr/lib/x86_64-linux-gnu/ld.so': { versionsDefined: ['GLIBC_2.2.5'] },
  'usr/lib/x86_64-linux-gnu/libc.so.6': LIBC,
  lib: '-> usr/lib',
} as const;
const alpine = {
  'lib/ld-musl-x86_64.so.1': {},
  'usr/lib/libz.so.1': { needed: ['libc.musl-x86_64.so.1'] },
} as const;
const needs = (...needed: string[]) => ({ linkage: linked({ needed }) });

describe('a program', () => {
  it('that is static needs nothing', async () => {
    expect(await checkLinkage({ path: '/x' }, { tree: treeOf({}), base: 'scratch', config: {} })).toEqual([]);
  });

  it('finds the loader through links', async () => {
    expect(await rules(needs('libc.so.6'), debian)).toEqual([]);
  });

  it('is told for which C library it was built where the loader is missing', async () => {
    const [found] = await findings(needs('libc.so.6'), alpine);
    expect(found).toMatchObject({ rule: 'interpreter-missing', level: 'error' });
    expect(found?.message).toContain(
      `the loader ${GLIBC} (it was built for glibc), which the base does not have`,
    );
    expect(found?.remedy).toContain('debian:stable-slim');
    expect((await findings({ ...needs(), interpreter: MUSL }, debian))[0]?.remedy).toContain('alpine');
  });

  it('is told where a library was looked for', async () => {
    const [found] = await findings(needs('libz.so.1'), debian);
    expect(found).toMatchObject({ rule: 'library-missing' });
    expect(found?.message).toContain(
      '(looked in /lib/x86_64-linux-gnu, /usr/lib/x86_64-linux-gnu, /lib64, /usr/lib64, /lib, /usr/lib)',
    );
  });

  it('is told what a library of a library lacks', async () => {
    const [found, ...others] = await findings(needs('liba.so'), {
      ...debian,
      'usr/lib/liba.so': { needed: ['libb.so', 'libb.so'] },
    });
    expect(others).toEqual([]);
    expect(found?.message).toMatch(/^\/lib\/liba\.so needs the library libb\.so/);
  });

  it('does not go round libraries that need each other', async () => {
    const circle = { 'usr/lib/liba.so': { needed: ['libb.so'] }, 'usr/lib/libb.so': { needed: ['liba.so'] } };
    expect(await rules(needs('liba.so'), { ...debian, ...circle })).toEqual([]);
  });

  it.each<[string, Partial<Linkage>, Readonly<Record<string, Partial<Linkage> | string>>, readonly string[]]>(
    [
      ['its own RPATH', { rpath: ['/opt/x'] }, { 'opt/x/liba.so': {} }, []],
      ['its own RUNPATH', { runpath: ['/opt/x'] }, { 'opt/x/liba.so': {} }, []],
      ['$ORIGIN', { runpath: ['$ORIGIN/../lib'] }, { 'app/lib/liba.so': {} }, []],
      ['$ORIGIN in braces', { rpath: [['$', '{ORIGIN}'].join('')] }, { 'app/bin/liba.so': {} }, []],
      ['$LIB', { rpath: ['/opt/$LIB'] }, { 'opt/lib64/liba.so': {} }, []],
      ['the environment', {}, { 'opt/x/liba.so': {} }, ['LD_LIBRARY_PATH=/no:/opt/x']],
      ['ld.so.conf', {}, { 'opt/x/liba.so': {}, 'etc/ld.so.conf': '# here\n/opt/x # and there\n' }, []],
      [
        'what ld.so.conf includes',
        {},
        {
          'opt/x/liba.so': {},
          'etc/ld.so.conf': 'include ld.so.conf.d/*.conf',
          'etc/ld.so.conf.d/x.conf': '/opt/x',
        },
        [],
      ],
    ],
  )('finds libraries by %s', async (_, linkage, files, env) => {
    const program = { linkage: linked({ needed: ['liba.so'], ...linkage }) };
    expect(await rules(program, { ...debian, ...files }, env)).toEqual([]);
    expect(await rules(needs('liba.so'), { ...debian, ...files, 'etc/ld.so.conf': '' }, [])).toEqual([
      'library-missing',
    ]);
  });

  it('takes $ORIGIN of a library as the folder it was found in, though it be a link there', async () => {
    const files = {
      ...debian,
      'opt/here/liba.so': '-> ../there/liba.so',
      'opt/there/liba.so': { needed: ['libb.so'], runpath: ['$ORIGIN'] },
    };
    const program = { linkage: linked({ needed: ['liba.so'], runpath: ['/opt/here'] }) };
    expect(await rules(program, { ...files, 'opt/there/libb.so': {} })).toEqual(['library-missing']);
    expect(await rules(program, { ...files, 'opt/here/libb.so': {} })).toEqual([]);
  });

  it('leaves the folder that a link leads to, not the link, by `..`', async () => {
    const program = { linkage: linked({ needed: ['liba.so'], runpath: ['$ORIGIN/../link/../lib'] }) };
    const files = { ...debian, 'app/link': '-> /opt/x/y', 'opt/x/y/z': '' };
    expect(await rules(program, { ...files, 'opt/x/lib/liba.so': {} })).toEqual([]);
    expect(await rules(program, { ...files, 'app/lib/liba.so': {} })).toEqual(['library-missing']);
  });

  it('hands its RPATH on, but not its RUNPATH', async () => {
    const files = { ...debian, 'opt/x/liba.so': { needed: ['libb.so'] }, 'opt/x/libb.so': {} };
    expect(await rules({ linkage: linked({ needed: ['liba.so'], rpath: ['/opt/x'] }) }, files)).toEqual([]);
    expect(await rules({ linkage: linked({ needed: ['liba.so'], runpath: ['/opt/x'] }) }, files)).toEqual([
      'library-missing',
    ]);
  });

  it('does not go round a configuration that includes itself', async () => {
    expect(
      await rules(needs('libz.so'), { ...debian, 'etc/ld.so.conf': 'include /etc/ld.so.conf\n'.repeat(9) }),
    ).toEqual(['library-missing']);
  });

  it('is told of a version that the base is too old for', async () => {
    const versionsNeeded = { 'libc.so.6': ['GLIBC_2.2.5', 'GLIBC_2.38', 'GLIBC_2.37'] };
    const [found, ...others] = await findings(
      { linkage: linked({ needed: ['libc.so.6'], versionsNeeded }) },
      debian,
    );
    expect(others).toEqual([]);
    expect(found).toMatchObject({ rule: 'symbol-version-missing' });
    expect(found?.message).toBe(
      '/app/bin/x needs GLIBC_2.38 of libc.so.6, but that of the base ends at GLIBC_2.36',
    );
  });

  it('is fine with a library that defines no versions', async () => {
    const versionsNeeded = { 'liba.so': ['A_1'] };
    expect(
      await rules(
        { linkage: linked({ needed: ['liba.so'], versionsNeeded }) },
        { ...debian, 'usr/lib/liba.so': {} },
      ),
    ).toEqual([]);
  });

  it('of musl has the C library in its loader, and no versions', async () => {
    const linkage = linked({
      needed: ['libc.musl-x86_64.so.1', 'libpthread.so.0', 'libz.so.1'],
      versionsNeeded: { 'libz.so.1': ['Z_9'] },
    });
    expect(await rules({ interpreter: MUSL, linkage }, alpine)).toEqual([]);
    expect(await rules({ interpreter: MUSL, linkage: linked({ needed: ['libssl.so.3'] }) }, alpine)).toEqual([
      'library-missing',
    ]);
  });

  it('of musl looks where its own path file says', async () => {
    const files = { ...alpine, 'opt/x/liba.so': {}, 'etc/ld-musl-x86_64.path': '/lib\n/opt/x\n' };
    expect(await rules({ interpreter: MUSL, linkage: linked({ needed: ['liba.so'] }) }, files)).toEqual([]);
  });

  it('is not judged by a loader that nobody knows', async () => {
    expect(
      await rules({ interpreter: '/lib/ld-own.so', ...needs('libx.so') }, { 'lib/ld-own.so': {} }),
    ).toEqual([]);
  });
});
