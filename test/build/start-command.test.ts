import { expect, it } from 'vitest';
import { movedCommand, withoutShell } from '../../src/build/start-command.ts';

const shell = (script: string) => ['/bin/sh', '-c', script];
const moved = (config: Parameters<typeof movedCommand>[0]) => movedCommand(config, 'src/hello', '/bin/hello');

it.each([
  ['./hello', ['./hello']],
  [' exec  ./hello -a  b ', ['./hello', '-a', 'b']],
  ['./hello --url=http://x:80/a,b', ['./hello', '--url=http://x:80/a,b']],
])('takes the shell away from %j, which needs none', (script, words) => {
  expect(withoutShell({ Cmd: shell(script) })).toEqual({ Entrypoint: undefined, Cmd: words });
});

it.each(['./hello $X', './hello "a b"', 'a && b', 'A=b ./hello', './hello *', '~/hello', './hello # x', ''])(
  'leaves %j to the shell',
  (script) => {
    expect(withoutShell({ Cmd: shell(script) })).toEqual({ Entrypoint: undefined, Cmd: shell(script) });
  },
);

it('knows the shell of SHELL, and no other', () => {
  const bash = ['/bin/bash', '-ec'];
  expect(withoutShell({ Shell: bash, Cmd: [...bash, './hello'] }).Cmd).toEqual(['./hello']);
  expect(withoutShell({ Cmd: [...bash, './hello'] }).Cmd).toEqual([...bash, './hello']);
});

it('gives no words to an entrypoint whose shell has not given it any', () => {
  expect(withoutShell({ Entrypoint: shell('./hello'), Cmd: ['a'] })).toEqual({
    Entrypoint: ['./hello'],
    Cmd: undefined,
  });
  expect(withoutShell({ Entrypoint: ['./hello'], Cmd: ['a'] })).toEqual({
    Entrypoint: ['./hello'],
    Cmd: ['a'],
  });
});

it.each([
  [{ WorkingDir: '/src', Cmd: ['./hello', './hello'] }, { Cmd: ['/bin/hello', './hello'] }],
  [{ Cmd: ['/src/hello'] }, { Cmd: ['/bin/hello'] }],
  [{ Cmd: ['hello', '-v'] }, { Cmd: ['/bin/hello', '-v'] }],
  [
    { Entrypoint: ['/src/hello'], Cmd: ['-v'] },
    { Entrypoint: ['/bin/hello'], Cmd: ['-v'] },
  ],
  [{ WorkingDir: '/src', Cmd: shell('exec ./hello "$X"') }, { Cmd: shell('exec /bin/hello "$X"') }],
  // Another program was started: of that nothing is left.
  [{ Cmd: ['/bin/sh'] }, { Cmd: ['/bin/hello'] }],
  [{ Entrypoint: ['/entry.sh'], Cmd: ['/src/hello', '-v'] }, { Cmd: ['/bin/hello'] }],
  [{}, { Cmd: ['/bin/hello'] }],
])('starts what has moved as %j did', (config, expected) => {
  expect(moved(config)).toEqual(expected);
});
