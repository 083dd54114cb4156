import { describe, expect, it } from 'vitest';
import { formatReference } from '../../src/registry/reference.ts';
import { type LocationOptions, parseLocation } from '../../src/transports/location.ts';

function shown(text: string, options?: LocationOptions): object {
  const location = parseLocation(text, options);
  return 'reference' in location && location.reference
    ? { ...location, reference: formatReference(location.reference) }
    : location;
}

describe('parseLocation', () => {
  it.each([
    ['alpine', { transport: 'docker', reference: 'docker.io/library/alpine:latest', short: 'alpine' }],
    ['docker.io/me/app', { transport: 'docker', reference: 'docker.io/me/app:latest' }],
    ['docker://ghcr.io/me/app:1', { transport: 'docker', reference: 'ghcr.io/me/app:1' }],
    ['store:app', { transport: 'store', reference: 'docker.io/library/app:latest' }],
    ['oci:dir', { transport: 'oci', path: 'dir' }],
    ['oci:./a/b:v1', { transport: 'oci', path: './a/b', name: 'v1' }],
    ['oci:dir:ghcr.io/me/app:1', { transport: 'oci', path: 'dir', name: 'ghcr.io/me/app:1' }],
    ['oci:C:\\images\\a:v1', { transport: 'oci', path: 'C:\\images\\a', name: 'v1' }],
    ['oci-archive:a.tar', { transport: 'oci-archive', path: 'a.tar' }],
    ['docker-archive:a.tar', { transport: 'docker-archive', path: 'a.tar' }],
    [
      'docker-archive:a.tar:app:1',
      { transport: 'docker-archive', path: 'a.tar', reference: 'docker.io/library/app:1' },
    ],
    ['docker-daemon:app', { transport: 'docker-daemon', reference: 'docker.io/library/app:latest' }],
  ])('reads %s', (text, expected) => {
    expect(shown(text)).toEqual(expected);
  });

  it('takes a bare name for what it is told to', () => {
    expect(shown('app', { default: 'store' })).toMatchObject({ transport: 'store' });
    expect(shown('app', { default: 'any' })).toMatchObject({ transport: 'any' });
  });

  it('takes a bare .tar and - for archives when it is an output', () => {
    for (const as of ['output', 'destination'] as const) {
      expect(shown('a/b.tar', { as })).toEqual({ transport: 'docker-archive', path: 'a/b.tar' });
      expect(shown('-', { as })).toEqual({ transport: 'docker-archive', path: '-' });
    }
    expect(shown('docker-daemon:', { as: 'output' })).toEqual({ transport: 'docker-daemon' });
  });

  it('does not push where a bare name was probably meant as a file', () => {
    expect(() => parseLocation('hello', { as: 'output' })).toThrow(
      expect.objectContaining({ code: 'OCISLIM_USAGE', hint: expect.stringContaining('oci:hello') }),
    );
    expect(shown('me/hello', { as: 'destination' })).toMatchObject({ transport: 'docker' });
  });

  it.each(['oci:', 'oci::name', 'docker-archive:', 'oci-archive:'])(
    'refuses %s, which has no path',
    (text) => {
      expect(() => parseLocation(text)).toThrow(expect.objectContaining({ code: 'OCISLIM_USAGE' }));
    },
  );

  it.each(['docker-daemon:', 'docker://', 'store:', 'UPPER'])(
    'refuses %s, which has no legal reference',
    (text) => {
      expect(() => parseLocation(text)).toThrow(
        expect.objectContaining({ code: 'OCISLIM_REFERENCE_INVALID' }),
      );
    },
  );
});
