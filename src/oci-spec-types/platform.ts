import { OcislimError } from '../lib/errors.ts';

/** What an image runs on (image-spec image-index.md § platform); values are Go's GOOS and GOARCH. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
  readonly 'os.version'?: string | undefined;
  readonly 'os.features'?: readonly string[] | undefined;
}

const ARCHITECTURE_ALIASES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  i386: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};

/** The variants that an unvaried platform means, as containerd normalises them. */
const DEFAULT_VARIANT: Readonly<Record<string, string>> = { arm: 'v7', arm64: 'v8', amd64: 'v1' };

/**
 * Parses `os/architecture[/variant]`, e.g. `linux/arm64`, with the aliases people type (`linux/x86_64`).
 * A lone architecture means Linux.
 * @throws OCISLIM_PLATFORM_INVALID
 */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  const [os, arch, variant] = parts.length === 1 ? ['linux', parts[0], undefined] : parts;
  const legal = (part: string | undefined) => part === undefined || /^[a-z0-9][a-z0-9_.-]{0,31}$/.test(part);
  if (!os || !arch || parts.length > 3 || ![os, arch, variant].every(legal)) {
    throw new OcislimError(
      'OCISLIM_PLATFORM_INVALID',
      `not a platform: ${JSON.stringify(text.slice(0, 100))}`,
      {
        hint: 'write os/architecture[/variant], for example linux/amd64 or linux/arm/v7',
      },
    );
  }
  const [architecture, aliasVariant] = ARCHITECTURE_ALIASES[arch] ?? [arch];
  return platform(os, architecture, variant ?? aliasVariant);
}

/** A platform in its normal form: a variant that is the architecture's default for images is left out. */
export function platform(os: string, architecture: string, variant?: string): Platform {
  if (variant === undefined || (architecture !== 'arm' && variant === DEFAULT_VARIANT[architecture])) {
    return { os, architecture };
  }
  return { os, architecture, variant };
}

/** `linux/arm/v7`: what `parsePlatform` reads. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`;
}

function variantOf(platform: Platform): string | undefined {
  return platform.variant || DEFAULT_VARIANT[platform.architecture];
}

/** The same os, architecture and variant, where a missing variant means the architecture's default. */
export function samePlatform(a: Platform, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture && variantOf(a) === variantOf(b);
}

/**
 * True when a host of platform `host` runs programs for `image`: the same, or an older variant of the same
 * architecture (a v7 host runs v6 code, not the reverse).
 */
export function runsOn(image: Platform, host: Platform): boolean {
  if (image.os !== host.os || image.architecture !== host.architecture) return false;
  const level = (platform: Platform) => Number.parseInt((variantOf(platform) ?? 'v0').slice(1), 10) || 0;
  return level(image) <= level(host);
}

/** The platform this process runs on, as images name it. */
export function hostPlatform(): Platform {
  const architecture =
    { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }[process.arch as string] ?? (process.arch as string);
  return platform('linux', architecture);
}
