import { OcislimError } from '../lib/errors.ts';
import type { Reference } from '../registry/reference.ts';
import type { RegistriesConfig, RegistryRule } from './registries-conf.ts';

/** A repository where it is looked for. */
export interface RegistryPlace {
  /** Host and port. */
  readonly registry: string;
  readonly repository: string;
  /** Plain HTTP, or a certificate that nobody vouches for, will do. */
  readonly insecure: boolean;
}

/** Where registries.conf sends a reference. */
export interface Route {
  /** The file that forbids it, where one does. */
  readonly blockedBy: string | undefined;
  readonly origin: RegistryPlace;
  /** To read from before the origin, in this order. */
  readonly mirrors: readonly RegistryPlace[];
}

/**
 * Applies the rule with the longest prefix that matches.
 * @throws OCISLIM_CONFIG_INVALID for a rule that leaves no repository of the name
 */
export function routeOf(config: RegistriesConfig, reference: Reference): Route {
  const { registry, repository, digest } = reference;
  const rule = findRule(config, reference);
  if (rule === undefined) {
    return { blockedBy: undefined, origin: { registry, repository, insecure: false }, mirrors: [] };
  }
  const mirrors = rule.mirrors.filter(
    ({ pulls }) => pulls === 'all' || (pulls === 'digest-only') === (digest !== undefined),
  );
  return {
    blockedBy: rule.blocked ? rule.file : undefined,
    origin:
      rule.location === undefined
        ? { registry, repository, insecure: rule.insecure }
        : moved(reference, rule, rule.location, rule.insecure),
    mirrors: mirrors.map((mirror) => moved(reference, rule, mirror.location, mirror.insecure)),
  };
}

function findRule(config: RegistriesConfig, reference: Reference): RegistryRule | undefined {
  let best: RegistryRule | undefined;
  for (const rule of config.rules) {
    const isLonger = best === undefined || rule.prefix.length > best.prefix.length;
    if (isLonger && matchesPrefix(rule.prefix, reference)) best = rule;
  }
  return best;
}

/** Whether `HOST[/PATH]` or `*.DOMAIN` covers a repository; a path covers whole components. */
export function matchesPrefix(
  prefix: string,
  reference: Pick<Reference, 'registry' | 'repository'>,
): boolean {
  const { registry, repository } = reference;
  if (prefix.startsWith('*.')) return registry.endsWith(prefix.slice(1));
  return `${registry}/${repository}/`.startsWith(`${prefix}/`);
}

function moved(
  { registry, repository }: Reference,
  rule: RegistryRule,
  location: string,
  insecure: boolean,
): RegistryPlace {
  const matched = rule.prefix.startsWith('*.') ? registry.length : rule.prefix.length;
  const place = location + `${registry}/${repository}`.slice(matched);
  const slash = place.indexOf('/');
  if (slash < 0) {
    throw new OcislimError(
      'OCISLIM_CONFIG_INVALID',
      `${rule.file}: the location ${location} for prefix ${rule.prefix} names a host and no repository`,
    );
  }
  return { registry: place.slice(0, slash), repository: place.slice(slash + 1), insecure };
}
