import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  loadRegistriesConfig,
  mergeRegistriesConfigs,
  noRegistriesConfig,
  parseRegistriesConf,
} from '../../src/config/registries-conf.ts';
import { routeOf } from '../../src/config/registry-routes.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { tempDir } from '../support/temp.ts';

function route(conf: string, name: string) {
  return routeOf(parseRegistriesConf(conf, 'registries.conf'), parseReference(name));
}

describe('parseRegistriesConf', () => {
  test('says in which file and where the mistake is', () => {
    expect(() => parseRegistriesConf('[[registry]]\nprefix = 1', '/etc/r.conf')).toThrow(
      /^\/etc\/r\.conf: registry\.0\.prefix: /,
    );
    expect(() => parseRegistriesConf('[[registry', '/etc/r.conf')).toThrow(/^\/etc\/r\.conf: not TOML/);
    expect(() => parseRegistriesConf('[[registry]]\ninsecure = true', 'f')).toThrow(
      /neither prefix nor location/,
    );
  });

  test('refuses a location with a scheme', () => {
    const conf = '[[registry]]\nprefix = "a.example"\nlocation = "https://b.example"';
    expect(() => parseRegistriesConf(conf, 'f')).toThrow(
      expect.objectContaining({ code: 'OCISLIM_CONFIG_INVALID' }),
    );
  });

  test('refuses an alias of something that is no name', () => {
    expect(() => parseRegistriesConf('[aliases]\nx = "UPPER/case"', 'f').aliases).toThrow(/^f: alias "x"/);
  });

  test('reads a file of aliases alone once somebody asks for one', () => {
    const broken = '# by hand\n[aliases]\nx = not TOML';
    const config = mergeRegistriesConfigs([parseRegistriesConf(broken, 'f'), noRegistriesConfig]);
    expect(parseReference('quay.io/x', config).repository).toBe('x');
    expect(() => parseReference('x', config)).toThrow('f: not TOML');
    const rule = '[[registry]]\nprefix = "quay.io"\nblocked = true';
    for (const both of [`[aliases]\nx = "quay.io/x"\n${rule}`, `${rule}\n[aliases]\nx = "quay.io/x"`])
      expect(parseRegistriesConf(both, 'f')).toMatchObject({
        rules: [{ prefix: 'quay.io', blocked: true }],
        aliases: { x: 'quay.io/x' },
      });
  });

  test('does not read unqualified-search-registries', () => {
    const config = parseRegistriesConf('unqualified-search-registries = ["evil.example"]', 'f');
    expect(config).toEqual({ rules: [], aliases: {} });
  });

  test('keeps blocked what the form before version 2 blocks', () => {
    const conf =
      '[registries.block]\nregistries = ["bad.example"]\n[registries.insecure]\nregistries = ["lab:5000"]';
    expect(route(conf, 'bad.example/x').blockedBy).toBe('registries.conf');
    expect(route(conf, 'lab:5000/x').origin.insecure).toBe(true);
  });
});

describe('routeOf', () => {
  test('leaves a reference that no rule covers as it is', () => {
    expect(route('[[registry]]\nprefix = "other.example"\nblocked = true', 'alpine')).toEqual({
      blockedBy: undefined,
      origin: { registry: 'docker.io', repository: 'library/alpine', insecure: false },
      mirrors: [],
    });
  });

  test('takes the rule with the longest prefix', () => {
    const conf = `
      [[registry]]
      prefix = "example.com/team"
      location = "b.example/team"
      [[registry]]
      prefix = "example.com"
      location = "a.example"`;
    expect(route(conf, 'example.com/team/app').origin).toMatchObject({
      registry: 'b.example',
      repository: 'team/app',
    });
    expect(route(conf, 'example.com/other/app').origin).toMatchObject({ registry: 'a.example' });
  });

  test.each([
    ['example.com', 'example.com.evil.example/x'],
    ['example.com/team', 'example.com/teams/x'],
    ['example.com', 'example.com:5000/x'],
    ['*.example.com', 'example.com/x'],
    ['*.example.com', 'evilexample.com/x'],
  ])('does not take the prefix %s for %s', (prefix, name) => {
    expect(route(`[[registry]]\nprefix = "${prefix}"\nblocked = true`, name).blockedBy).toBeUndefined();
  });

  test('covers all hosts of a domain with a wildcard', () => {
    const conf = '[[registry]]\nprefix = "*.example.com"\nlocation = "mirror.example/all"\ninsecure = true';
    expect(route(conf, 'a.b.example.com/x/y').origin).toEqual({
      registry: 'mirror.example',
      repository: 'all/x/y',
      insecure: true,
    });
  });

  test('puts mirrors in their order in front of the origin', () => {
    const conf = `
      [[registry]]
      location = "docker.io"
      [[registry.mirror]]
      location = "127.0.0.1:5000/hub"
      insecure = true
      [[registry.mirror]]
      location = "m.example"`;
    expect(route(conf, 'alpine').mirrors).toEqual([
      { registry: '127.0.0.1:5000', repository: 'hub/library/alpine', insecure: true },
      { registry: 'm.example', repository: 'library/alpine', insecure: false },
    ]);
  });

  test('asks a mirror only for what it is there for', () => {
    const conf = `
      [[registry]]
      location = "a.example"
      [[registry.mirror]]
      location = "digests.example"
      pull-from-mirror = "digest-only"
      [[registry.mirror]]
      location = "tags.example"
      pull-from-mirror = "tag-only"`;
    const digest = `sha256:${'0'.repeat(64)}`;
    expect(route(conf, 'a.example/x:1').mirrors.map((mirror) => mirror.registry)).toEqual(['tags.example']);
    expect(route(conf, `a.example/x@${digest}`).mirrors.map((mirror) => mirror.registry)).toEqual([
      'digests.example',
    ]);
  });

  test('refuses a rule that leaves no repository', () => {
    const conf = '[[registry]]\nprefix = "a.example/x"\nlocation = "b.example"';
    expect(() => route(conf, 'a.example/x')).toThrow(/names a host and no repository/);
  });
});

describe('mergeRegistriesConfigs', () => {
  test('lets later files overrule a prefix, and take an alias away', () => {
    const merged = mergeRegistriesConfigs([
      parseRegistriesConf(
        '[[registry]]\nprefix = "a.example"\nblocked = true\n[aliases]\nx = "q.example/x"',
        'one',
      ),
      parseRegistriesConf('[[registry]]\nprefix = "a.example"\n[aliases]\nx = ""', 'two'),
    ]);
    expect(merged.rules).toMatchObject([{ blocked: false, file: 'two' }]);
    expect(merged.aliases).toEqual({});
  });
});

describe('loadRegistriesConfig', () => {
  function write(path: string, content: string): string {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }
  const registry = (name: string) => `[[registry]]\nprefix = "${name}"\n`;

  test('reads the file that the variable names and the drop-ins beside it, and no other', async () => {
    const home = tempDir();
    const named = write(join(home, 'mine.conf'), registry('one.example'));
    write(`${named}.d/10.conf`, registry('two.example'));
    write(`${named}.d/readme.txt`, 'not TOML at all');
    write(join(home, '.config/containers/registries.conf'), registry('user.example'));
    const config = await loadRegistriesConfig({
      env: { CONTAINERS_REGISTRIES_CONF: named },
      home,
      system: home,
    });
    expect(config.rules.map((rule) => rule.prefix)).toEqual(['one.example', 'two.example']);
  });

  test('reads the user file rather than the machine one, and the drop-ins of both', async () => {
    const home = tempDir();
    const system = tempDir();
    write(join(system, 'registries.conf'), registry('machine.example'));
    write(
      join(system, 'registries.conf.d/a.conf'),
      '[aliases]\nx = "machine.example/x"\ny = "machine.example/y"',
    );
    write(join(home, '.config/containers/registries.conf'), registry('user.example'));
    write(join(home, '.config/containers/registries.conf.d/a.conf'), '[aliases]\nx = "user.example/x"');
    write(join(home, '.cache/containers/short-name-aliases.conf'), '[aliases]\nz = "recorded.example/z"');
    const config = await loadRegistriesConfig({ env: {}, home, system });
    expect(config.rules.map((rule) => rule.prefix)).toEqual(['user.example']);
    expect(config.aliases).toEqual({
      x: 'user.example/x',
      y: 'machine.example/y',
      z: 'recorded.example/z',
    });
  });

  test('has nothing to say where there is no file', async () => {
    expect(await loadRegistriesConfig({ env: {}, home: tempDir(), system: tempDir() })).toEqual({
      rules: [],
      aliases: {},
    });
  });

  test('misses a file that the variable names', async () => {
    const env = { CONTAINERS_REGISTRIES_CONF: join(tempDir(), 'gone.conf') };
    await expect(loadRegistriesConfig({ env, home: tempDir() })).rejects.toMatchObject({
      code: 'OCISLIM_CONFIG_INVALID',
      message: expect.stringContaining('gone.conf: no such file'),
    });
  });
});
