import { formatPlatform, type Platform, runsOn, samePlatform } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';

/** GNU's names of what Linux runs on, as Debian and Fedora call their cross compilers. */
const TRIPLES: Readonly<Record<string, string>> = {
  'linux/386': 'i686-linux-gnu',
  'linux/amd64': 'x86_64-linux-gnu',
  'linux/arm': 'arm-linux-gnueabihf',
  'linux/arm64': 'aarch64-linux-gnu',
  'linux/ppc64le': 'powerpc64le-linux-gnu',
  'linux/riscv64': 'riscv64-linux-gnu',
  'linux/s390x': 's390x-linux-gnu',
};

/**
 * What stands before the names of GNU's tools: nothing for the machine they run on.
 * @throws OCISLIM_PLATFORM_UNAVAILABLE
 */
export function gnuPrefix(platform: Platform, host: Platform): string {
  if (isNative(platform, host)) return '';
  const isSoft = platform.architecture === 'arm' && /^v[56]$/.test(platform.variant ?? '');
  const triple = isSoft
    ? 'arm-linux-gnueabi'
    : TRIPLES[formatPlatform({ os: platform.os, architecture: platform.architecture })];
  if (triple === undefined) throw unavailable('C', platform);
  return `${triple}-`;
}

/** Whether a compiler that is told nothing of platforms makes what runs there. */
export function isNative(platform: Platform, host: Platform): boolean {
  if (platform.architecture === 'arm') return samePlatform(platform, host);
  return runsOn(host, platform) || samePlatform(platform, host);
}

export function unavailable(title: string, platform: Platform, hint?: string): OcislimError {
  const what = `${title} cannot be compiled for ${formatPlatform(platform)} here`;
  return new OcislimError('OCISLIM_PLATFORM_UNAVAILABLE', what, { hint });
}
