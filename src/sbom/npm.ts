import { type FoundPackage, field } from './component.ts';

/** Of which `package.json` files tell of a package: those right below a `node_modules`, and an application's own. */
export const NPM_MANIFEST = /(?:^|\/)package\.json$/;
export const INSTALLED = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/;

/** The package that a `package.json` describes; undefined where it names none (docs.npmjs.com, package.json). */
export function parseNpm(text: string): FoundPackage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, version, license, licenses } = value as Readonly<Record<string, unknown>>;
  const [, scope, own] = /^(?:(@[^/@]+)\/)?([^/@]+)$/.exec(field(name) ?? '') ?? [];
  const said = field(version);
  if (own === undefined || said === undefined) return undefined;
  return {
    ecosystem: 'npm',
    name: own,
    group: scope,
    version: said,
    licence: licenceOf(license) ?? licenceOf(Array.isArray(licenses) ? licenses[0] : undefined),
  };
}

/** A text, or as it was once `{ "type": … }`. */
function licenceOf(value: unknown): string | undefined {
  if (typeof value === 'object' && value !== null && 'type' in value) return field(value.type);
  return field(value);
}
