import { VERSION } from '../version.ts';

/** Something that a result was made from (slsa.dev/spec/v1.0/provenance, in-toto's resource_descriptor.md). */
export interface Material {
  readonly name?: string | undefined;
  readonly uri?: string | undefined;
  /** By algorithm: `sha256`, `gitCommit`, `dirHash` (in-toto's digest_set.md). */
  readonly digest?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, unknown>> | undefined;
}

/** Where and by whom a build was started. */
export interface Run {
  readonly builder: string;
  readonly invocation?: string | undefined;
}

export interface StatementParts {
  /** Names and digests (`sha256:…`) of what was made. */
  readonly subjects: readonly { readonly name: string; readonly digest: string }[];
  readonly command: 'pack' | 'build';
  /** What was asked for, without what must not be seen. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** What ocislim chose or found by itself. */
  readonly internal?: Readonly<Record<string, unknown>> | undefined;
  readonly materials: readonly Material[];
  readonly run: Run;
}

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1';
export const PROVENANCE_MEDIA_TYPE = 'application/vnd.in-toto+json';

/** Where no CI system is known: this version of ocislim, run by somebody. */
export const LOCAL_BUILDER = `pkg:npm/ocislim@${VERSION}`;

/**
 * An in-toto statement (in-toto/attestation, spec/v1/statement.md) with SLSA's provenance v1. It has no times, so that the
 * same build says the same; what a CI system calls the run is all that differs.
 */
export function provenanceStatement(parts: StatementParts): Buffer {
  const { subjects, command, parameters, internal, materials, run } = parts;
  const statement = {
    _type: STATEMENT_TYPE,
    subject: subjects.map(({ name, digest }) => ({ name, digest: digestSet(digest) })),
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: `pkg:npm/ocislim#provenance/${command}/v1`,
        externalParameters: parameters,
        internalParameters: internal,
        resolvedDependencies: materials,
      },
      runDetails: {
        builder: { id: run.builder, version: { ocislim: VERSION } },
        metadata: run.invocation === undefined ? undefined : { invocationId: run.invocation },
      },
    },
  };
  return Buffer.from(`${JSON.stringify(statement, null, 2)}\n`);
}

/** `sha256:HEX` as a set of digests. */
export function digestSet(digest: string): Readonly<Record<string, string>> {
  const at = digest.indexOf(':');
  return { [digest.slice(0, at)]: digest.slice(at + 1) };
}
