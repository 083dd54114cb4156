import type { ContainerConfig } from '#oci-spec-types';
import { OcislimError } from '../lib/errors.ts';

/** `KEY=VALUE` lines with some set anew: those that were there stay in their place, new ones follow. */
export function mergeEnv(base: readonly string[], changes: Readonly<Record<string, string>>): string[] {
  const merged = new Map(base.map((line) => [line.split('=', 1)[0] ?? line, line]));
  for (const [key, value] of Object.entries(changes)) merged.set(key, `${key}=${value}`);
  return [...merged.values()];
}

/**
 * Ports as the keys of `ExposedPorts`: `port/tcp`, `port/udp` or `port/sctp` (image-spec config.md); a range becomes
 * its ports.
 * @throws OCISLIM_USAGE
 */
export function requirePorts(ports: readonly string[]): Record<string, object> {
  const keys = ports.flatMap((text) => {
    const {
      from,
      to,
      protocol = 'tcp',
    } = /^(?<from>\d{1,5})(?:-(?<to>\d{1,5}))?(?:\/(?<protocol>tcp|udp|sctp))?$/.exec(text)?.groups ?? {};
    const first = Number(from);
    const last = Number(to ?? from);
    if (from === undefined || first < 1 || last > 65_535 || last < first) {
      throw new OcislimError('OCISLIM_USAGE', `--expose ${text}: not a port`, {
        hint: 'for example 8080 or 53/udp',
      });
    }
    return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${protocol}`);
  });
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

/** Absolute paths as the keys of `Volumes`. @throws OCISLIM_USAGE */
export function requireVolumes(paths: readonly string[]): Record<string, object> {
  for (const path of paths) {
    if (!path.startsWith('/')) {
      throw new OcislimError('OCISLIM_USAGE', `--volume ${path}: a path in the image must begin with /`, {
        hint: 'what is mounted there is said when the container starts, not in the image',
      });
    }
  }
  return Object.fromEntries(paths.map((path) => [path, {}]));
}

/** The environment of an image's processes. */
export function environmentOf({ Env }: ContainerConfig): Record<string, string> {
  const entries = (Env ?? []).map((line): [string, string] => {
    const at = line.indexOf('=');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
  });
  return Object.fromEntries(entries.filter(([name]) => name !== ''));
}
