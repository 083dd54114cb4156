import { describe, expect, it } from 'vitest';
import { rustCrateOf } from '../../src/elf/rust-symbols.ts';

// Names as RFC 2603 spells its examples, and as rustc's legacy mangling writes them.
describe('the crate of a symbol', () => {
  it.each([
    // RFC 2603 § Examples: mycrate::example; a method; an implementation of a trait; a reference back.
    ['_RNvCs15kBYyAo9fc_7mycrate7example', 'mycrate'],
    ['_RNvMs_Cs4Cv8Wi1oAIB_7mycrateNtB4_7Example3foo', 'mycrate'],
    ['_RNvXCs15kBYyAo9fc_7mycrateNtNtB2_3foo3BarNtB2_9TraitName3baz', 'mycrate'],
    ['_RINvCs15kBYyAo9fc_7mycrate7examplehE', 'mycrate'],
    ['_RNCNvCsgStHSCytQ6I_7mycrate4main0B3_', 'mycrate'],
    // A trait's method for a basic type is the trait's crate's, for a type with a name the type's.
    ['_RNvYhNtCs1_5mytra5Trait3foo', 'mytra'],
    ['_RNvYNtC4kind4TypeNtC5mytra5Trait3foo', 'kind'],
    ['_RNvYRNtC4kind4TypeNtC5mytra5Trait3foo', 'kind'],
    // A name that is not ASCII is in Punycode (§ Unicode Identifiers).
    ['_RNvCu8gdel_5qa3foo', 'gdel_5qa'],
    ['_ZN3foo3bar17h0123456789abcdefE', 'foo'],
    ['_ZN3foo3bar17h0123456789abcdefE.llvm.123456789ABCDEF', 'foo'],
    ['_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE', 'core'],
  ])('%s is of %s', (symbol, crate) => {
    expect(rustCrateOf(symbol)).toBe(crate);
  });

  it.each([
    ['$LT$mine..Type$u20$as$u20$core..fmt..Debug$GT$', 'mine'],
    ['$LT$$RF$mine..Type$u20$as$u20$core..fmt..Debug$GT$', 'mine'],
    ['$LT$$RF$mut$u20$mine..Type$u20$as$u20$core..fmt..Debug$GT$', 'mine'],
    ['$LT$$u5b$mine..Type$u5d$$u20$as$u20$other..Trait$GT$', 'mine'],
    ['$LT$u8$u20$as$u20$core..fmt..Debug$GT$', 'core'],
    ['$LT$T$u20$as$u20$core..convert..Into$LT$U$GT$$GT$', 'core'],
    ['$LT$u8$GT$', undefined],
  ])('in the older form behind _%s is %s', (name, crate) => {
    expect(rustCrateOf(`_ZN${name.length + 1}_${name}3fmt17h0123456789abcdefE`)).toBe(crate);
  });

  it.each([
    ['C', 'main'],
    ['C++', '_ZN3foo3barEv'],
    ['C++ that ends like a hash', '_ZN3foo17h0123456789abcdeE'],
    ['nothing', ''],
    ['a lone prefix', '_R'],
    ['a reference to itself', '_RNvB_3foo'],
    ['a reference ahead', '_RNvBzzzz_3foo'],
    ['a length beyond the end', '_RNvC9999foo'],
    ['nesting without an end', `_R${'Nv'.repeat(100_000)}C3foo`],
    ['references without an end', `_RNvY${'R'.repeat(100_000)}`],
  ])('is none for %s', (_, symbol) => {
    expect(rustCrateOf(symbol)).toBeUndefined();
  });
});
