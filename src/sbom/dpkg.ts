import { type FoundPackage, field } from './component.ts';
import { paragraphs } from './paragraphs.ts';

/**
 * The packages that dpkg's database says are installed: `var/lib/dpkg/status` (dpkg(1), deb-control(5)), or a file of
 * `status.d`, of which distroless images have one for each package, without a status.
 */
export function parseDpkg(text: string): readonly FoundPackage[] {
  const found: FoundPackage[] = [];
  for (const fields of paragraphs(text)) {
    const name = field(fields.get('Package'));
    const version = field(fields.get('Version'));
    const status = fields.get('Status');
    if (name === undefined || version === undefined) continue;
    if (status !== undefined && !status.endsWith(' installed')) continue;
    found.push({
      ecosystem: 'deb',
      name,
      version,
      arch: field(fields.get('Architecture')),
      upstream: sourceOf(fields.get('Source'), name, version),
    });
  }
  return found;
}

/** `Source: NAME [(VERSION)]`, where they differ from the package's own (deb-control(5)). */
function sourceOf(text: string | undefined, name: string, version: string): string | undefined {
  const [, source, own] = /^(\S+)(?: \(([^)]+)\))?$/.exec(field(text) ?? '') ?? [];
  if (source === undefined) return undefined;
  if (own !== undefined && own !== version) return `${source}@${own}`;
  return source === name ? undefined : source;
}

const FORMAT = /^Format(?:-Specification)?:\s*https?:\/\/\S*copyright-format/m;
const LICENCES = 100;

/**
 * The licences that a copyright file names, each once; undefined for one that is not machine-readable
 * (Debian's copyright-format 1.0).
 */
export function parseCopyright(text: string): readonly string[] | undefined {
  if (!FORMAT.test(text.slice(0, 4096))) return undefined;
  const named = new Set<string>();
  for (const fields of paragraphs(text)) {
    const licence = field(fields.get('License'));
    if (licence !== undefined && named.size < LICENCES) named.add(licence);
  }
  return named.size === 0 ? undefined : [...named];
}
