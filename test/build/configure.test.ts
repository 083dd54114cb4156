import { describe, expect, it } from 'vitest';
import { type ConfigInstruction, configure } from '../../src/build/configure.ts';
import { SCRATCH, type StageState } from '../../src/build/state.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';

/** Words as they stand, but for `$name`, which is looked up, and quotes, which go. */
function wordsOf({ vars }: StageState) {
  const one = ({ text }: { readonly text: string }) =>
    text.replace(/["']/g, '').replace(/\$(\w+)/g, (_, name: string) => vars.get(name) ?? '');
  return { one, several: (word: { readonly text: string }) => one(word).split(' ') };
}

function stateAfter(...lines: readonly string[]): StageState {
  const [stage] = parseDockerfile(['FROM scratch', ...lines].join('\n'), { name: 'Dockerfile' }).stages;
  return (stage?.instructions ?? []).reduce(
    (state, instruction) => configure(state, instruction as ConfigInstruction, wordsOf(state)),
    SCRATCH,
  );
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

describe('configure', () => {
  it.each<[string, readonly string[], object]>([
    ['ENV in both forms, in order', ['ENV a=1 b=2', 'ENV c 3 4'], { Env: [PATH, 'a=1', 'b=2', 'c=3 4'] }],
    ['ENV again in its old place', ['ENV a=1 b=2', 'ENV a=3'], { Env: [PATH, 'a=3', 'b=2'] }],
    ['ENV with the values from before it', ['ENV a=1', 'ENV a=2 b=$a'], { Env: [PATH, 'a=2', 'b=1'] }],
    ['LABEL of one name, the last', ['LABEL a=1 b=2', 'LABEL a=3'], { Labels: { a: '3', b: '2' } }],
    ['CMD in exec form', ['CMD ["a", "b"]'], { Cmd: ['a', 'b'] }],
    ['CMD in shell form', ['CMD a  b'], { Cmd: ['/bin/sh', '-c', 'a  b'] }],
    [
      'CMD in the shell of SHELL',
      ['SHELL ["/bin/bash", "-ec"]', 'CMD a'],
      { Cmd: ['/bin/bash', '-ec', 'a'] },
    ],
    ['the last CMD', ['CMD a', 'CMD ["b"]'], { Cmd: ['b'] }],
    [
      'CMD of the stage itself beside ENTRYPOINT',
      ['CMD ["a"]', 'ENTRYPOINT ["b"]'],
      { Cmd: ['a'], Entrypoint: ['b'] },
    ],
    ['WORKDIR from WORKDIR', ['WORKDIR /a', 'WORKDIR b/../c', 'WORKDIR ./d/'], { WorkingDir: '/a/c/d' }],
    ['WORKDIR that cannot climb out', ['WORKDIR ../../x'], { WorkingDir: '/x' }],
    ['USER', ['USER 1:2'], { User: '1:2' }],
    ['STOPSIGNAL as written', ['STOPSIGNAL 9', 'STOPSIGNAL SIGRTMIN+3'], { StopSignal: 'SIGRTMIN+3' }],
    [
      'EXPOSE',
      ['EXPOSE 80 53/UDP 8000-8002/tcp', 'EXPOSE 1.2.3.4:90:91'],
      {
        ExposedPorts: {
          '80/tcp': {},
          '53/udp': {},
          '8000/tcp': {},
          '8001/tcp': {},
          '8002/tcp': {},
          '91/tcp': {},
        },
      },
    ],
    [
      'VOLUME in both forms',
      ['VOLUME /a /b', 'VOLUME ["/c d"]'],
      { Volumes: { '/a': {}, '/b': {}, '/c d': {} } },
    ],
    [
      'HEALTHCHECK',
      ['HEALTHCHECK --interval=5s --timeout=1m --start-period=500ms --retries=3 CMD curl -f x'],
      {
        Healthcheck: {
          Test: ['CMD-SHELL', 'curl -f x'],
          Interval: 5e9,
          Timeout: 60e9,
          StartPeriod: 5e8,
          Retries: 3,
        },
      },
    ],
    [
      'HEALTHCHECK in exec form',
      ['HEALTHCHECK CMD ["a", "b"]'],
      { Healthcheck: { Test: ['CMD', 'a', 'b'] } },
    ],
    ['HEALTHCHECK NONE', ['HEALTHCHECK CMD a', 'HEALTHCHECK NONE'], { Healthcheck: { Test: ['NONE'] } }],
    ['ONBUILD', ['ONBUILD RUN make', 'ONBUILD COPY . .'], { OnBuild: ['RUN make', 'COPY . .'] }],
  ])('takes %s', (_, lines, config) => {
    expect(stateAfter(...lines).config).toMatchObject(config);
  });

  it('clears the CMD of the base with ENTRYPOINT, and its own not', () => {
    const base = { ...SCRATCH, config: { ...SCRATCH.config, Cmd: ['old'] } };
    const [stage] = parseDockerfile('FROM x\nENTRYPOINT ["a"]', { name: 'f' }).stages;
    const [entrypoint] = stage?.instructions ?? [];
    const { config } = configure(base, entrypoint as ConfigInstruction, wordsOf(base));
    expect(config).toMatchObject({ Entrypoint: ['a'], Cmd: undefined });
  });

  it('has a line of history for each instruction, which stands for no layer', () => {
    const { history } = stateAfter('ENV a=1', 'EXPOSE 80', 'CMD ["a"]', 'MAINTAINER me');
    expect(history.map(({ created_by }) => created_by)).toEqual([
      'ENV a=1',
      'EXPOSE map[80/tcp:{}]',
      'CMD ["a"]',
      'MAINTAINER me',
    ]);
    expect(history.every(({ empty_layer }) => empty_layer === true)).toBe(true);
  });

  it('keeps the author', () => {
    expect(stateAfter('MAINTAINER me <me@x>').author).toBe('me <me@x>');
  });

  it.each([
    ['EXPOSE 70000', /no port/],
    ['EXPOSE 80/icmp', /no port/],
    ['EXPOSE 9-8', /no port/],
    ['STOPSIGNAL SIGNONE', /no signal/],
    ['STOPSIGNAL 65', /no signal/],
    ['WORKDIR $none', /WORKDIR comes to nothing/],
    [`WORKDIR /${'a/'.repeat(2048)}`, /the path is too long/],
    ['ENV $none=1', /comes to nothing/],
  ])('refuses %s', (line, message) => {
    expect(() => stateAfter(line)).toThrow(message);
  });
});
