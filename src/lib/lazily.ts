/** A function that does its work when it is first called, and gives the same result from then on. */
export function lazily<T>(work: () => T): () => T {
  let result: { readonly value: T } | undefined;
  return () => {
    result ??= { value: work() };
    return result.value;
  };
}
