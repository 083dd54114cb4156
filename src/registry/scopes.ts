/**
 * Scopes as tokens are asked for: `repository:library/alpine:pull,push`
 * (distribution.github.io/distribution/spec/auth/scope).
 */
interface Scope {
  /** Type and name; the name may hold colons. */
  readonly resource: string;
  readonly actions: ReadonlySet<string>;
}

export type Access = 'pull' | 'push';

/** What reading, or writing, a repository takes. Who may push must be able to see what is there. */
export function repositoryScope(repository: string, access: Access): string {
  return `repository:${repository}:${access === 'push' ? 'pull,push' : 'pull'}`;
}

function parse(scope: string): Scope {
  const colon = scope.lastIndexOf(':');
  if (colon < 0) return { resource: scope, actions: new Set() };
  return { resource: scope.slice(0, colon), actions: new Set(scope.slice(colon + 1).split(',')) };
}

/** One scope for each resource, in the order they are first named, with all its actions in a fixed order. */
export function mergeScopes(scopes: readonly string[]): readonly string[] {
  const merged = new Map<string, Set<string>>();
  for (const { resource, actions } of scopes.filter((scope) => scope !== '').map(parse)) {
    merged.set(resource, new Set([...(merged.get(resource) ?? []), ...actions]));
  }
  return [...merged].map(([resource, actions]) =>
    actions.size === 0 ? resource : `${resource}:${[...actions].sort().join(',')}`,
  );
}

/** Whether a token for `held` does for `wanted` too. */
export function coversScopes(held: readonly string[], wanted: readonly string[]): boolean {
  const have = new Map(held.map(parse).map(({ resource, actions }) => [resource, actions]));
  return wanted.map(parse).every(({ resource, actions }) => {
    const granted = have.get(resource);
    return granted !== undefined && (granted.has('*') || [...actions].every((action) => granted.has(action)));
  });
}
