import type { Command } from 'commander';
import { RULES } from '../../src/check/finding.ts';
import { BUILD_KEYS, kebab } from '../../src/config/project.ts';
import { type PackSettings, SETTINGS, type SettingKind } from '../../src/config/settings.ts';
import { SBOM_FORMATS } from '../../src/sbom/document.ts';

type Name = keyof PackSettings;
type Schema = Readonly<Record<string, unknown>>;

const NAMES = Object.keys(SETTINGS) as readonly Name[];

/** Settings that are one of few words. */
const WORDS: Partial<Record<Name, readonly string[]>> = {
  network: ['none', 'host'],
  link: ['static', 'dynamic'],
  sandbox: ['auto', 'bubblewrap', 'proot'],
  check: ['error', 'warn', 'off'],
  checkIgnore: RULES,
  sbom: SBOM_FORMATS,
  progress: ['auto', 'plain', 'json', 'none'],
};

/** What the command line says the other way round, or as an argument. */
const OWN_WORDS: Partial<Record<Name, string>> = {
  path: "source, program, .jar, .zip, or a pattern such as 'dist/hello-{os}-{arch}'",
  cache: 'whether what was compiled before, and what toolchains keep, is used (default: true)',
  mirror: 'URLs to read images of registries from first, by registry',
};

/** What each setting means, in the words of the command line's help. @throws where help does not know a setting */
function descriptions(program: Command): Readonly<Record<Name, string>> {
  const pack = program.commands.find((command) => command.name() === 'pack');
  const told = new Map(pack?.options.map((option) => [option.attributeName(), option.description]));
  const entries = NAMES.map((name) => {
    const text = OWN_WORDS[name] ?? told.get(name);
    if (text === undefined) throw new Error(`pack has no option for the setting ${name}`);
    return [name, text.replace(/ *; repeatable/, '').trim()] as const;
  });
  return Object.fromEntries(entries) as Record<Name, string>;
}

const TEXT: Schema = { type: 'string' };

function shapeOf(name: Name): Schema {
  const words = WORDS[name];
  const text = words === undefined ? TEXT : { enum: words };
  const list = { type: 'array', items: text };
  const kinds: Readonly<Record<SettingKind, Schema>> = {
    boolean: { type: 'boolean' },
    string: text,
    list: { anyOf: [text, list] },
    command: { anyOf: [text, list] },
    map: { type: 'object', additionalProperties: TEXT },
  };
  return kinds[SETTINGS[name]];
}

/** JSON Schema (draft 7, which editors know) of `ocislim.toml`. */
export function configSchema(program: Command): Schema {
  const told = descriptions(program);
  const described = (name: Name): Schema => ({ description: told[name], ...shapeOf(name) });
  const buildTable = {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(Object.entries(BUILD_KEYS).map(([key, name]) => [key, described(name)])),
  };
  const settings = Object.fromEntries(NAMES.map((name) => [kebab(name), described(name)]));
  const table = {
    ...settings,
    build: {
      description: `${told.build}; or a table of all that is said of compiling`,
      anyOf: [TEXT, buildTable],
    },
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'ocislim.toml',
    type: 'object',
    additionalProperties: false,
    properties: {
      ...table,
      targets: {
        description: 'what `ocislim pack NAME` packs, by name; its settings win over those at the top',
        type: 'object',
        additionalProperties: { $ref: '#/definitions/target' },
      },
    },
    definitions: { target: { type: 'object', additionalProperties: false, properties: table } },
  };
}

const KINDS: Readonly<Record<SettingKind, string>> = {
  boolean: 'true or false',
  string: 'string',
  list: 'string, or list of strings',
  command: 'one word, or list of words',
  map: 'table of strings',
};

/** The table of all keys in docs/configuration.md. */
export function keysTable(program: Command): string {
  const told = descriptions(program);
  const short = Object.entries(BUILD_KEYS);
  const rows = NAMES.map((name) => {
    const inBuild = short.find(([, each]) => each === name)?.[0];
    const key = inBuild === undefined ? `\`${kebab(name)}\`` : `\`${kebab(name)}\`, \`build.${inBuild}\``;
    return `| ${key} | ${KINDS[SETTINGS[name]]} | ${told[name].replaceAll('|', '\\|').replaceAll('<', '\\<')} |`;
  });
  return ['| key | value | |', '| --- | --- | --- |', ...rows].join('\n');
}
