import type { ExplainedFile } from './model.ts';

/** A folder with the bytes of all that is in it. */
export interface FolderSize {
  readonly path: string;
  readonly size: number;
}

/**
 * The folders that tell most: the largest ones, but none whose bytes are nearly all in one folder below it, which says
 * the same more exactly. Folders below one that is shown are shown where they are themselves a good part of the image.
 * @param count how many at most
 */
export function largestFolders(
  files: readonly Pick<ExplainedFile, 'path' | 'size'>[],
  count: number,
): readonly FolderSize[] {
  const sizes = new Map<string, number>();
  for (const { path, size } of files) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = path.slice(0, slash);
      sizes.set(folder, (sizes.get(folder) ?? 0) + size);
    }
  }
  const mostOf = new Map<string, number>();
  for (const [path, size] of sizes) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    mostOf.set(parent, Math.max(mostOf.get(parent) ?? 0, size));
  }
  return [...sizes]
    .map(([path, size]) => ({ path, size }))
    .filter(({ path, size }) => size > 0 && (mostOf.get(path) ?? 0) < size * 0.9)
    .sort((a, b) => b.size - a.size || (a.path < b.path ? -1 : 1))
    .slice(0, count);
}
