import { Ajv } from 'ajv';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../scripts/reference/schema.ts';
import { createProgram } from '../../src/commands/program.ts';
import { requestOf, settingsFor } from '../../src/commands/settings.ts';
import { parseProjectConfig } from '../../src/config/project.ts';
import { pages } from '../support/documented.ts';

const isValid = new Ajv({ strict: true, allowUnionTypes: true }).compile(
  configSchema(createProgram(new AbortController().signal)),
);

/** What `ocislim pack NAME` makes of a file, for each of its targets; for those without, of the top alone. */
function read(text: string): void {
  const project = parseProjectConfig(text, '/project/ocislim.toml', '');
  const targets = project.targets.length === 0 ? [undefined] : project.targets;
  for (const target of targets) {
    const settings = settingsFor(target, {}, project);
    requestOf(settings, {});
  }
}

const ACCEPTED = [
  'path = "hello"',
  'path = "hello"\ntag = "me/hello:1"',
  'path = "hello"\ntag = ["me/hello:1", "me/hello:2"]\npush = true\nload = false',
  'path = "hello"\nentrypoint = "/bin/hello"\ncmd = ["--port", "80"]\nstop-signal = "SIGINT"',
  'path = "hello"\nenv = { A = "1" }\nlabel = { "a.b/c" = "d" }\nannotation = {}\nmirror = { "docker.io" = "http://x" }',
  'path = "src"\nbuild = "make"\nartifact = "out/hello"\nbuild-env = { CC = "gcc" }',
  'path = "src"\n[build]\ncommand = "make"\nartifact = "hello"\nenv = { CC = "gcc" }\ncache = false\nnetwork = "none"',
  'base = "alpine"\n[targets.a]\npath = "a"\nlink = "dynamic"\nsandbox = "proot"\n[targets.a.build]\ntoolchain = "gcc:14"',
  'path = "hello"\ncheck = "warn"\ncheck-ignore = ["secret", "debug-data"]\nsbom = "spdx"\nprovenance = true',
  'path = "hello"\nplatform = ["linux/amd64"]\nwith-libs = true\nwith-certs = true\nwith-tzdata = true\nlibs-from = "host"',
  'path = "hello"\nlocked = true\noffline = true\nstore = "s"\ninsecure = "x:5000"\nca-file = "c.pem"\nprogress = "plain"',
];

const REFUSED = [
  'path = 1',
  'path = "hello"\nbsae = "alpine"',
  'path = "hello"\npush = "yes"',
  'path = "hello"\ntag = [1]',
  'path = "hello"\nenv = ["A=1"]',
  'path = "hello"\nenv = { A = 1 }',
  'path = "hello"\nwithLibs = true',
  'path = "hello"\ntargets = "a"',
  '[targets]\na = "b"',
  '[targets.a]\npath = "a"\n[targets.a.targets.b]\npath = "b"',
  'path = "src"\n[build]\nartefact = "hello"',
  'path = "src"\n[build]\nbase = "alpine"',
  'path = "src"\nbuild = ["make"]',
  'path = "src"\nlink = "both"',
  'path = "src"\nsandbox = "docker"',
  'path = "src"\nnetwork = "bridge"',
  'path = "hello"\ncheck = "loud"',
  'path = "hello"\ncheck-ignore = "secrets"',
  'path = "hello"\nsbom = "swid"',
  'path = "hello"\ndry-run = true',
];

/** The `ocislim.toml` of the pages; a lock has a version. */
const DOCUMENTED = pages()
  .flatMap(({ text }) => [...text.matchAll(/^```toml\n(.*?)^```/gms)].map(([, toml = '']) => toml))
  .filter((toml) => /^(?:base|path|\[build\]|\[targets)/m.test(toml));

describe('the schema of ocislim.toml', () => {
  it('accepts the examples of the documentation, as the code does', () => {
    expect(DOCUMENTED.length).toBeGreaterThan(1);
    for (const text of DOCUMENTED) {
      parseProjectConfig(text, '/project/ocislim.toml', '');
      expect(isValid(parse(text)) || isValid.errors).toBe(true);
    }
  });

  it.each(ACCEPTED)('accepts what is read: %j', (text) => {
    read(text);
    expect(isValid(parse(text)) || isValid.errors).toBe(true);
  });

  it.each(REFUSED)('refuses what is refused: %j', (text) => {
    expect(() => read(text)).toThrow();
    expect(isValid(parse(text))).toBe(false);
  });
});
