/**
 * The crate that a symbol of Rust belongs to: the one that defines it, or, of an implementation in the older form, the type's.
 * @returns undefined for other symbols: C, C++, and what the compiler names without a crate
 */
export function rustCrateOf(symbol: string): string | undefined {
  return symbol.startsWith('_R') ? crateOfPath(symbol, 2, 0) : crateOfLegacy(symbol);
}

/** More turns than any name takes; a hostile one could go round for ever. */
const TURNS = 64;

/**
 * The crate at the root of a path (Rust's RFC 2603, v0 mangling, § Paths). Only what leads there is read: of all forms of a path the
 * crate, or a path that ends in it, stands next, behind at most a disambiguator.
 */
function crateOfPath(symbol: string, start: number, turns: number): string | undefined {
  if (turns > TURNS) return undefined;
  let at = start;
  // A version of the encoding may stand before the path.
  if (turns === 0) while (/\d/.test(symbol[at] ?? '')) at++;
  switch (symbol[at]) {
    case 'C':
      return identifier(symbol, afterDisambiguator(symbol, at + 1));
    case 'N':
      return crateOfPath(symbol, at + 2, turns + 1);
    case 'I':
      return crateOfPath(symbol, at + 1, turns + 1);
    case 'M':
    case 'X':
      return crateOfPath(symbol, afterDisambiguator(symbol, at + 1), turns + 1);
    case 'Y':
      return crateOfType(symbol, at + 1, turns + 1);
    case 'B': {
      const target = base62(symbol, at + 1)?.value;
      // A reference leads back, counted from behind the prefix.
      return target === undefined || target + 2 >= at
        ? undefined
        : crateOfPath(symbol, target + 2, turns + 1);
    }
    default:
      return undefined;
  }
}

/** Of a type with a name the crate; of others, such as `&[u8]`, that of the type in it, else of the trait behind it. */
function crateOfType(symbol: string, start: number, turns: number): string | undefined {
  let at = start;
  while (/[RQPOSA]/.test(symbol[at] ?? '')) {
    at++;
    // References may have a lifetime.
    if (symbol[at] === 'L') at = base62(symbol, at + 1)?.end ?? symbol.length;
  }
  // A basic type is one small letter (§ Types); then follows the trait's path.
  return /[a-z]/.test(symbol[at] ?? '') ? crateOfPath(symbol, at + 1, turns) : crateOfPath(symbol, at, turns);
}

function afterDisambiguator(symbol: string, at: number): number {
  return symbol[at] === 's' ? (base62(symbol, at + 1)?.end ?? symbol.length) : at;
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A number as § Identifiers has it: `_` is 0, `0_` is 1. */
function base62(symbol: string, start: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let at = start; at < symbol.length && at < start + 12; at++) {
    const character = symbol[at] ?? '';
    if (character === '_') return { value: at === start ? 0 : value + 1, end: at + 1 };
    const digit = DIGITS.indexOf(character);
    if (digit < 0) return undefined;
    value = value * 62 + digit;
  }
  return undefined;
}

function identifier(symbol: string, start: number): string | undefined {
  const [whole = '', digits = ''] = /^u?(\d{1,4})_?/.exec(symbol.slice(start, start + 8)) ?? [];
  const name = symbol.slice(start + whole.length, start + whole.length + Number(digits));
  return digits !== '' && name.length === Number(digits) && name !== '' ? name : undefined;
}

const ESCAPES: Readonly<Record<string, string>> = {
  $LT$: '<',
  $GT$: '>',
  $RF$: '&',
  $BP$: '*',
  $LP$: '(',
  $RP$: ')',
  $C$: ',',
  $SP$: '@',
};

/** The older form looks like C++, but ends in a hash (rustc's symbol_names/legacy.rs). */
function crateOfLegacy(symbol: string): string | undefined {
  const plain = symbol.replace(/\.llvm\.[0-9A-F]+$/, '');
  if (!plain.startsWith('_ZN') || !/17h[0-9a-f]{16}E$/.test(plain)) return undefined;
  const first = identifier(plain, 3);
  if (first === undefined || !first.includes('$')) return first;
  const text = first
    .replace(/^_/, '')
    // In one pass: in `$LT$u8$u20$` the `u8` is none of an escape.
    .replace(/\$(?:u([0-9a-f]{1,5})|[A-Z]{1,2})\$/g, (code, hex?: string) =>
      hex === undefined ? (ESCAPES[code] ?? code) : String.fromCodePoint(Number.parseInt(hex, 16)),
    )
    .replaceAll('..', '::');
  // `<&mut crate::Type as other::Trait>`; where the type is none of a crate, the trait's.
  const [own = '', trait = ''] = text.replace(/^</, '').split(' as ');
  return [own, trait].map(crateIn).find((crate) => crate !== undefined);
}

function crateIn(path: string): string | undefined {
  return /^(?:[&*([<]|mut |const |dyn )*([A-Za-z_]\w*)::/.exec(path)?.[1];
}
