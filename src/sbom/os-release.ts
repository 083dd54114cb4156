import { field, type OsRelease } from './component.ts';

/** What `etc/os-release` says (os-release(5)); undefined where it names no system. */
export function parseOsRelease(text: string): OsRelease | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n').slice(0, 200)) {
    const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, unquoted(value));
  }
  const id = field(fields.get('ID'));
  if (id === undefined || !/^[a-z0-9._-]+$/.test(id)) return undefined;
  return { id, version: field(fields.get('VERSION_ID')), name: field(fields.get('PRETTY_NAME')) };
}

/** As a shell reads it. */
function unquoted(value: string): string {
  const [, quote, inner] = /^(["'])(.*)\1$/.exec(value) ?? [];
  return quote === undefined || inner === undefined ? value : inner.replace(/\\(["$`\\])/g, '$1');
}
