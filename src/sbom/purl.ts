import { PackageURL } from 'packageurl-js';
import type { FoundPackage, OsRelease } from './component.ts';

/** Who makes the packages of a distribution, where that is not what it calls itself (purl-spec, PURL-TYPES). */
const VENDORS: Readonly<Record<string, string>> = {
  rhel: 'redhat',
  'opensuse-leap': 'opensuse',
  sles: 'suse',
};
/** Whose packages are in images that say nothing of their distribution. */
const USUAL = { apk: 'alpine', deb: 'debian', rpm: undefined } as const;
/** Distributions that have no packages of some kind: one that is there nevertheless was brought from elsewhere. */
const NOT_OF: Readonly<Record<string, readonly string[]>> = {
  deb: ['alpine', 'wolfi', 'chainguard', 'fedora', 'rhel', 'ocislim-static'],
  apk: ['debian', 'ubuntu', 'fedora', 'rhel', 'ocislim-static'],
};

/**
 * The package URL of a package (github.com/package-url/purl-spec); undefined where its type asks for more than is known:
 * of Maven a group.
 */
export function purlOf(found: FoundPackage, release: OsRelease | undefined): string | undefined {
  const { ecosystem, name, group, version, arch, epoch, upstream } = found;
  switch (ecosystem) {
    case 'apk':
    case 'deb':
    case 'rpm': {
      const os = release !== undefined && NOT_OF[ecosystem]?.includes(release.id) ? undefined : release;
      const vendor = os === undefined ? USUAL[ecosystem] : (VENDORS[os.id] ?? os.id);
      const distro = os?.version === undefined ? os?.id : `${os.id}-${os.version}`;
      return format(ecosystem, vendor, name, version, { arch, distro, epoch, upstream });
    }
    case 'maven':
      return group === undefined ? undefined : format(ecosystem, group, name, version);
    case 'golang': {
      const at = name.lastIndexOf('/');
      const namespace = at < 0 ? undefined : name.slice(0, at);
      return format(ecosystem, namespace, name.slice(at + 1), version);
    }
    default:
      return format(ecosystem, group, name, version);
  }
}

export interface ImageNames {
  /** Without tag and digest: `ghcr.io/me/app`. */
  readonly repository: string;
  readonly digest: string;
  readonly tag?: string | undefined;
}

/** The package URL of an image (PURL-TYPES, `oci`). */
export function imagePurl({ repository, digest, tag }: ImageNames): string | undefined {
  const name = repository.slice(repository.lastIndexOf('/') + 1);
  return format('oci', undefined, name, digest, { repository_url: repository, tag });
}

/** What cannot be written as one has none: names from outside may be anything. */
function format(
  type: string,
  namespace: string | undefined,
  name: string,
  version: string | undefined,
  qualifiers: Readonly<Record<string, string | undefined>> = {},
): string | undefined {
  const known = Object.entries(qualifiers).filter((each): each is [string, string] => each[1] !== undefined);
  try {
    const purl = new PackageURL(type, namespace, name, version, Object.fromEntries(known)).toString();
    // The library leaves it in versions, where the specification has it encoded (§ Character encoding).
    return purl.replaceAll('+', '%2B');
  } catch {
    return undefined;
  }
}
