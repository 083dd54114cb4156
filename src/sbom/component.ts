/** Where a component comes from, as package URLs name it (github.com/package-url/purl-spec, PURL-TYPES). */
export type Ecosystem = 'apk' | 'deb' | 'rpm' | 'golang' | 'cargo' | 'maven' | 'npm';

/** A package as a file tells of it, before anything is known of the image around. */
export interface FoundPackage {
  readonly ecosystem: Ecosystem;
  readonly name: string;
  /** Of npm the scope with its `@`, of Maven the groupId. */
  readonly group?: string | undefined;
  readonly version?: string | undefined;
  readonly arch?: string | undefined;
  readonly epoch?: string | undefined;
  /** The source package that it was built from, where that has another name. */
  readonly upstream?: string | undefined;
  /** As written there. */
  readonly licence?: string | undefined;
}

/** How a file tells of packages: it is made of them, or keeps a record of what is beside it. */
export type Evidence = 'contains' | 'records';

/** `/etc/os-release` (os-release(5)). */
export interface OsRelease {
  readonly id: string;
  readonly version?: string | undefined;
  readonly name?: string | undefined;
}

/** Names, versions and licences are no longer than this; what is, is damaged. */
const TEXT_LIMIT = 512;

/** A field of a file that nobody vouches for; undefined for one that is empty, too long, or no text. */
export function field(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.length > TEXT_LIMIT || /\p{C}|\ufffd/u.test(trimmed)) return undefined;
  return trimmed;
}
