import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import type { ReadAt } from './file.ts';
import type { Section } from './sections.ts';

/** A crate that was compiled into a Rust program. */
export interface RustCrate {
  readonly name: string;
  readonly version: string;
  /** `crates.io`, `git`, `local`, or another registry. */
  readonly source: string;
  /** Whether it was needed only while compiling. */
  readonly isBuildOnly: boolean;
  /** Whether it is the program's own. */
  readonly isRoot: boolean;
}

const COMPRESSED_LIMIT = 1024 * 1024;
const LIMIT = 8 * 1024 * 1024;
const CRATE_LIMIT = 10_000;

/**
 * Reads the crates of a Rust program that `cargo auditable` built: JSON in zlib, in the section `.dep-v0`
 * (rust-secure-code/cargo-auditable, PARSING.md).
 * @returns undefined for others, and for a section that is damaged
 */
export async function readRustCrates(
  read: ReadAt,
  sections: readonly Section[],
): Promise<readonly RustCrate[] | undefined> {
  const section = sections.find(({ name }) => name === '.dep-v0');
  if (section === undefined || section.size > COMPRESSED_LIMIT) return undefined;
  const packed = await read(section.offset, section.size);
  try {
    const bytes = await promisify(inflate)(packed, { maxOutputLength: LIMIT });
    const { packages } = JSON.parse((bytes as Buffer).toString('utf8')) as { packages?: unknown };
    return Array.isArray(packages) ? packages.slice(0, CRATE_LIMIT).flatMap(crateOf) : undefined;
  } catch {
    return undefined;
  }
}

function crateOf(value: unknown): readonly RustCrate[] {
  if (typeof value !== 'object' || value === null) return [];
  const { name, version, source, kind, root } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || typeof version !== 'string' || typeof source !== 'string') return [];
  return [{ name, version, source, isBuildOnly: kind === 'build', isRoot: root === true }];
}
