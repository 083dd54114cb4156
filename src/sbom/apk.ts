import { type FoundPackage, field } from './component.ts';
import { paragraphs } from './paragraphs.ts';

/** The packages of apk's database, `lib/apk/db/installed` (apk-tools, "Installed database V2"). */
export function parseApk(text: string): readonly FoundPackage[] {
  const found: FoundPackage[] = [];
  for (const fields of paragraphs(text)) {
    const name = field(fields.get('P'));
    const version = field(fields.get('V'));
    if (name === undefined || version === undefined) continue;
    const origin = field(fields.get('o'));
    found.push({
      ecosystem: 'apk',
      name,
      version,
      arch: field(fields.get('A')),
      upstream: origin === name ? undefined : origin,
      licence: field(fields.get('L')),
    });
  }
  return found;
}
