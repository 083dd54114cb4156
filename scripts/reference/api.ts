import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Class, type Comment, type Directive, parseSync, type Statement } from 'oxc-parser';

/** A declaration as it stands in its file. */
interface Declared {
  readonly kind: 'function' | 'type' | 'class' | 'const';
  /** Without bodies. */
  readonly code: string;
  /** Text of the comment before it. */
  readonly told: string;
}

interface Exported {
  readonly name: string;
  /** Its name in its own file. */
  readonly local: string;
  readonly file: string;
}

interface Parsed {
  readonly text: string;
  readonly body: readonly (Directive | Statement)[];
  readonly comments: readonly Comment[];
}

/**
 * docs/api.md, from the declarations that src/index.ts exports, in the groups that its comments of a single line make.
 * @param root folder of the repository
 */
export function apiPage(root: string): string {
  const parsed = parserOf();
  const entry = join(root, 'src/index.ts');
  const { comments } = parsed(entry);
  const intro = commentText(comments[0]?.value ?? '');
  const sections = groupsOf(entry, parsed).map(({ title, exported }) => {
    const declared = exported.map((each) => ({ name: each.name, ...declarationOf(each, parsed) }));
    const order = ['function', 'class', 'const', 'type'] as const;
    const sorted = order.flatMap((kind) => declared.filter((each) => each.kind === kind));
    return [`## ${title}`, ...sorted.map(entryText)].join('\n\n');
  });
  return `${[HEAD, intro, AFTER, ...sections].join('\n\n')}\n`;
}

const HEAD = '<!-- Made by `npm run reference` from the declarations in src. -->\n\n# The library';
const AFTER = `Failures are \`OcislimError\`, with the codes of [troubleshooting.md](troubleshooting.md). [\`examples/\`](../examples) has whole programs.
What is not on this page is the package's own, and may change at any time.`;

function entryText({ name, kind, code, told }: Declared & { readonly name: string }): string {
  const title = kind === 'function' ? `${name}()` : name;
  return [`### \`${title}\``, ...(told === '' ? [] : [told]), `\`\`\`ts\n${code}\n\`\`\``].join('\n\n');
}

function parserOf(): (file: string) => Parsed {
  const known = new Map<string, Parsed>();
  return (file) => {
    const found = known.get(file);
    if (found !== undefined) return found;
    const text = readFileSync(file, 'utf8');
    const { program, comments, errors } = parseSync(file, text);
    if (errors[0] !== undefined) throw new Error(`${file}: ${errors[0].message}`);
    const parsed = { text, body: program.body, comments };
    known.set(file, parsed);
    return parsed;
  };
}

function groupsOf(entry: string, parsed: (file: string) => Parsed) {
  const { body, comments } = parsed(entry);
  const titles = comments.filter(({ type }) => type === 'Line');
  return titles.map((title, index) => {
    const end = titles[index + 1]?.start ?? Number.POSITIVE_INFINITY;
    const within = body.filter(({ start }) => start > title.start && start < end);
    return { title: title.value.trim(), exported: within.flatMap((each) => exportsOf(each, entry)) };
  });
}

/** What a statement gives on from another file. */
function exportsOf(statement: Directive | Statement, file: string): readonly Exported[] {
  if (statement.type !== 'ExportNamedDeclaration' || statement.source === null) return [];
  const from = pathOf(statement.source.value, file);
  return statement.specifiers.map(({ local, exported }) => ({
    name: wordOf(exported),
    local: wordOf(local),
    file: from,
  }));
}

function wordOf(name: { readonly name?: string; readonly value?: string }): string {
  return name.name ?? name.value ?? '';
}

function pathOf(specifier: string, file: string): string {
  if (specifier !== '#oci-spec-types') return join(dirname(file), specifier);
  return join(file.slice(0, file.lastIndexOf('/src/')), 'src/oci-spec-types/index.ts');
}

function declarationOf(exported: Exported, parsed: (file: string) => Parsed): Declared {
  const found = findDeclaration(exported, parsed);
  if (found === undefined) throw new Error(`${exported.file} does not declare ${exported.local}`);
  return found;
}

function findDeclaration(exported: Exported, parsed: (file: string) => Parsed): Declared | undefined {
  const { local, file } = exported;
  const { text, body, comments } = parsed(file);
  for (const statement of body) {
    const onward = exportsOf(statement, file).find(({ name }) => name === local);
    if (onward !== undefined) return findDeclaration(onward, parsed);
    if (statement.type === 'ExportAllDeclaration') {
      const found = findDeclaration({ ...exported, file: pathOf(statement.source.value, file) }, parsed);
      if (found !== undefined) return found;
    }
    if (statement.type !== 'ExportNamedDeclaration' || !declares(statement.declaration, local)) continue;
    const before = comments.findLast(({ type, value, end }) => {
      return (
        type === 'Block' &&
        value.startsWith('*') &&
        end <= statement.start &&
        text.slice(end, statement.start).trim() === ''
      );
    });
    return { ...shown(statement.declaration, text), told: commentText(before?.value ?? '') };
  }
  return undefined;
}

type Declaration = Extract<Statement, { type: 'ExportNamedDeclaration' }>['declaration'];

function declares(declaration: Declaration, name: string): declaration is NonNullable<Declaration> {
  if (declaration === null) return false;
  if (declaration.type === 'VariableDeclaration')
    return declaration.declarations.some(({ id }) => id.type === 'Identifier' && id.name === name);
  return 'id' in declaration && declaration.id?.type === 'Identifier' && declaration.id.name === name;
}

function shown(declaration: NonNullable<Declaration>, text: string): Pick<Declared, 'kind' | 'code'> {
  const code = (end: number) => text.slice(declaration.start, end).trim();
  switch (declaration.type) {
    case 'FunctionDeclaration':
      return {
        kind: 'function',
        code: `${code(declaration.body?.start ?? declaration.end).replace(/^async /, '')};`,
      };
    case 'ClassDeclaration':
      return { kind: 'class', code: classText(declaration, text) };
    case 'VariableDeclaration':
      return { kind: 'const', code: code(declaration.end) };
    default:
      return { kind: 'type', code: code(declaration.end) };
  }
}

/** A class with what its methods take and give, without what they do. */
function classText({ start, body }: Class, text: string): string {
  const members = body.body.map((member) => {
    const end = member.type === 'MethodDefinition' ? member.value.body?.start : undefined;
    return `  ${text
      .slice(member.start, end ?? member.end)
      .trim()
      .replace(/;?$/, ';')}`;
  });
  return [text.slice(start, body.start + 1), ...members, '}'].join('\n');
}

/** A doc comment as Markdown: its stars gone, each tag a paragraph. */
function commentText(value: string): string {
  const lines = value
    .replace(/^\*/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  return lines
    .join('\n')
    .trim()
    .replace(/\n?(^|\n| )@param (\S+)/g, '\n\n`$2`:')
    .replace(/\n?(^|\n| )@returns/g, '\n\nGives')
    .replace(/\n?(^|\n| )@throws/g, '\n\nThrows')
    .trim();
}
