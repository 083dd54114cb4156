import parse from 'spdx-expression-parse';

/** A licence as a package's maker writes it, and as SPDX does where that is the same. */
export interface Licence {
  readonly said: string;
  /** SPDX licence expression (SPDX 2.3, Annex D). */
  readonly expression?: string | undefined;
  /** Set where the expression is one licence of SPDX's list. */
  readonly id?: string | undefined;
}

/** What Debian, older Alpine and older Fedora call licences that SPDX has another name for. */
const ALIASES: Readonly<Record<string, string>> = {
  'apache-2': 'Apache-2.0',
  'asl 2.0': 'Apache-2.0',
  artistic: 'Artistic-1.0-Perl',
  'artistic-2': 'Artistic-2.0',
  'bsd-2': 'BSD-2-Clause',
  'bsd-2-clause': 'BSD-2-Clause',
  'bsd-3': 'BSD-3-Clause',
  'bsd-3-clause': 'BSD-3-Clause',
  'bsd-4-clause': 'BSD-4-Clause',
  expat: 'MIT',
  isc: 'ISC',
  mit: 'MIT',
  mit0: 'MIT-0',
  'mpl-1.1': 'MPL-1.1',
  'mpl-2': 'MPL-2.0',
  zlib: 'Zlib',
};

/** Reads a licence's name or expression; undefined where nothing is said. */
export function licenceOf(text: string | undefined): Licence | undefined {
  const said = text?.trim();
  if (said === undefined || said === '') return undefined;
  const expression = [translated(said), said].find(isExpression);
  if (expression === undefined) return { said };
  return /[\s()+]/.test(expression) ? { said, expression } : { said, expression, id: expression };
}

/** All of several licences hold; each is named once. */
export function allOf(names: readonly string[]): Licence | undefined {
  const licences = names.flatMap((name) => licenceOf(name) ?? []);
  const [only, ...others] = licences;
  if (others.length === 0) return only;
  const said = licences.map((each) => each.said).join(', ');
  const expressions = licences.map(({ expression }) => expression);
  if (expressions.includes(undefined)) return { said };
  const distinct = [...new Set(expressions)].map((each) => (/\sOR\s/.test(each ?? '') ? `(${each})` : each));
  return licenceOf(distinct.join(' AND '));
}

function translated(text: string): string {
  return text
    .split(/(\s+(?:and|or|with)\s+|[()])/i)
    .map((part) => (/^\s+(?:and|or|with)\s+$/i.test(part) ? part.toUpperCase() : aliased(part)))
    .join('');
}

function aliased(name: string): string {
  const key = name.trim().toLowerCase();
  if (Object.hasOwn(ALIASES, key)) return ALIASES[key] ?? name;
  const [, family, version, more] = /^([al]?gpl|gfdl)[- ]?v?(\d(?:\.\d)?)(?:\.0)?(\+?)$/.exec(key) ?? [];
  if (family === undefined || version === undefined) return name.trim();
  const full = version.includes('.') ? version : `${version}.0`;
  return `${family.toUpperCase()}-${full}-${more === '+' ? 'or-later' : 'only'}`;
}

/** References to texts that only another document has mean nothing in this one. */
function isExpression(text: string): boolean {
  if (text.length > 512 || /LicenseRef-|DocumentRef-|AdditionRef-/i.test(text)) return false;
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}
