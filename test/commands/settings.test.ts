import { describe, expect, it } from 'vitest';
import { requestOf, settingsFor } from '../../src/commands/settings.ts';
import { parseProjectConfig } from '../../src/config/project.ts';

const project = parseProjectConfig(
  'base = "alpine"\nenv = { A = "file", B = "file" }\n[targets.server]\npath = "dist/server"\ntag = ["s:1"]\nenv = { B = "target" }\n',
  '/p/ocislim.toml',
  '',
);

describe('settingsFor', () => {
  it('lets the command line win over the target, and that over the file', () => {
    const settings = settingsFor('server', { env: ['C=line', 'B=line'], tag: ['x:1'] }, project);
    expect(settings).toMatchObject({
      path: 'dist/server',
      base: 'alpine',
      tag: ['x:1'],
      env: { A: 'file', B: 'line', C: 'line' },
      dryRun: false,
    });
  });

  it('takes a path that is no target for a path', () => {
    expect(settingsFor('./server', {}, project)).toMatchObject({ path: './server', base: 'alpine' });
    expect(settingsFor('./x', { base: 'static' }, undefined)).toMatchObject({ path: './x', base: 'static' });
  });

  it('asks what to pack, and lists the targets', () => {
    expect(() => settingsFor(undefined, {}, project)).toThrow(
      expect.objectContaining({ code: 'OCISLIM_USAGE', hint: expect.stringContaining('server') }),
    );
  });

  it('takes the value of a lone variable from the environment, as docker does', () => {
    process.env['OCISLIM_TEST_VALUE'] = 'from outside';
    try {
      expect(
        settingsFor('x', { env: ['OCISLIM_TEST_VALUE', 'OCISLIM_TEST_NONE', 'E='] }, undefined).env,
      ).toEqual({
        OCISLIM_TEST_VALUE: 'from outside',
        E: '',
      });
    } finally {
      delete process.env['OCISLIM_TEST_VALUE'];
    }
    expect(() => settingsFor('x', { label: ['lone'] }, undefined)).toThrow('--label lone: must be KEY=VALUE');
    expect(() => settingsFor('x', { env: ['=x'] }, undefined)).toThrow('must be KEY=VALUE');
  });
});

describe('requestOf', () => {
  const request = (options: Parameters<typeof settingsFor>[1], env = {}) =>
    requestOf(settingsFor('x', options, undefined), env);

  it('has the defaults that are documented', () => {
    expect(request({})).toMatchObject({
      path: 'x',
      compile: { toolchain: 'auto', link: 'static', jlink: false, cache: true, sandbox: 'auto' },
      tags: [],
      outputs: [],
      push: false,
      platforms: [],
      compression: { kind: 'gzip' },
      created: 0,
    });
  });

  it('reads commands as one word or as JSON', () => {
    const { config } = request({ entrypoint: '/bin/app --x', cmd: '["a","b c"]' });
    expect(config).toMatchObject({ entrypoint: ['/bin/app --x'], cmd: ['a', 'b c'] });
    expect(request({ entrypoint: '' }).config.entrypoint).toEqual([]);
    for (const bad of ['["a"', '[1]', '[["a"]]'])
      expect(() => request({ cmd: bad })).toThrow('not a JSON array of strings');
  });

  it('reads platforms, times and paths', () => {
    expect(request({ platform: 'linux/amd64,linux/arm64' }).platforms.length).toBe(2);
    expect(request({}, { SOURCE_DATE_EPOCH: '7' }).created).toBe(7);
    expect(request({ dest: '/a//b/' }).dest).toBe('/a/b');
    expect(() => request({ dest: 'relative' })).toThrow('must begin with /');
    expect(() => request({ platform: 'linux/amd64,,' })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_PLATFORM_INVALID' }),
    );
  });
});
