import { parseReference, type Reference } from '../registry/reference.ts';

/** The references of the result: those asked for, or a program's or folder's name made a legal one. */
export function namesOf(tags: readonly string[], name: string): readonly Reference[] {
  if (tags.length > 0) return [...new Map(tags.map((tag) => [tag, parseReference(tag)])).values()];
  const legal = name
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/([._-])[._-]+/g, '$1')
    .replace(/^[._-]+|[._-]+$/g, '');
  return [parseReference(legal || 'image')];
}
