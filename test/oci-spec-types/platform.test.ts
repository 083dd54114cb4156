import { describe, expect, it } from 'vitest';
import {
  formatPlatform,
  isDigest,
  parseDigest,
  parsePlatform,
  runsOn,
  samePlatform,
  sha256,
  shortDigest,
} from '#oci-spec-types';

describe('parsePlatform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm/v7', 'linux/arm/v7'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['arm64', 'linux/arm64'],
    ['Linux/AMD64', 'linux/amd64'],
    ['windows/amd64', 'windows/amd64'],
  ])('reads %s as %s', (text, platform) => {
    expect(formatPlatform(parsePlatform(text))).toBe(platform);
  });

  it.each([
    '',
    '/',
    'linux/',
    '/amd64',
    'linux/amd64/v1/x',
    'linux/am d64',
    'linux/../x',
    `linux/${'a'.repeat(100)}`,
  ])('refuses %j', (text) => {
    expect(() => parsePlatform(text)).toThrow(
      expect.objectContaining({ code: 'OCISLIM_PLATFORM_INVALID', exitCode: 2 }),
    );
  });
});

describe('comparing platforms', () => {
  const at = (text: string) => parsePlatform(text);

  it('takes a missing variant for the usual one', () => {
    expect(samePlatform({ os: 'linux', architecture: 'arm64', variant: 'v8' }, at('linux/arm64'))).toBe(true);
    expect(samePlatform({ os: 'linux', architecture: 'arm' }, at('linux/arm/v7'))).toBe(true);
    expect(samePlatform(at('linux/arm/v6'), at('linux/arm/v7'))).toBe(false);
  });

  it('lets newer machines run older code, not the reverse', () => {
    expect(runsOn(at('linux/arm/v6'), at('linux/arm/v7'))).toBe(true);
    expect(runsOn(at('linux/arm/v7'), at('linux/arm/v6'))).toBe(false);
    expect(runsOn(at('linux/amd64'), at('linux/arm64'))).toBe(false);
  });
});

describe('digests', () => {
  it('are checked before they are used', () => {
    const digest = sha256('x');
    expect(parseDigest(digest)).toBe(digest);
    expect(shortDigest(digest)).toMatch(/^[0-9a-f]{12}$/);
    expect(isDigest(`sha512:${'a'.repeat(128)}`)).toBe(true);
  });

  it.each([
    '',
    'sha256:',
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(64)}\n`,
    'sha256:../../x',
    `sha1:${'a'.repeat(40)}`,
    'x'.repeat(1_000_000),
  ])('refuse %.20s', (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'OCISLIM_DIGEST_INVALID' }));
  });
});
