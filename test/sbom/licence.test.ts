import { describe, expect, it } from 'vitest';
import { allOf, licenceOf } from '../../src/sbom/licence.ts';

describe('a licence', () => {
  it.each([
    ['MIT', 'MIT'],
    ['MIT AND GPL-2.0-only', 'MIT AND GPL-2.0-only'],
    ['(MIT OR Apache-2.0)', '(MIT OR Apache-2.0)'],
    // As Debian writes them.
    ['GPL-2+', 'GPL-2.0-or-later'],
    ['LGPL-2.1', 'LGPL-2.1-only'],
    ['GPL-2+ or Artistic', 'GPL-2.0-or-later OR Artistic-1.0-Perl'],
    ['Expat', 'MIT'],
    // As older Alpine and Fedora do.
    ['GPL2', 'GPL-2.0-only'],
    ['GPLv3+', 'GPL-3.0-or-later'],
    ['LGPLv2+ and MIT', 'LGPL-2.0-or-later AND MIT'],
  ])('%s is %s in SPDX', (said, expression) => {
    expect(licenceOf(said)).toMatchObject({ said, expression });
  });

  it.each(['public-domain', 'BSD', 'see LICENSE', 'LicenseRef-Callaway-MIT', `${'('.repeat(2000)}MIT`])(
    '%s stays what was said',
    (said) => expect(licenceOf(said)).toEqual({ said }),
  );

  it('of the list alone has an identifier', () => {
    expect(licenceOf('MIT')?.id).toBe('MIT');
    expect(licenceOf('MIT OR ISC')?.id).toBeUndefined();
    expect(licenceOf(' ')).toBeUndefined();
  });
});

describe('several licences', () => {
  it('hold all together, each once', () => {
    expect(allOf(['GPL-2+', 'Expat', 'MIT'])?.expression).toBe('GPL-2.0-or-later AND MIT');
    expect(allOf(['MIT or ISC', 'Zlib'])?.expression).toBe('(MIT OR ISC) AND Zlib');
  });

  it('are told as they are where one is not known', () => {
    expect(allOf(['GPL-2+', 'public-domain'])).toEqual({ said: 'GPL-2+, public-domain' });
    expect(allOf([])).toBeUndefined();
  });
});
