/** A promise, and what keeps it. */
export interface Signalled {
  readonly given: Promise<void>;
  give(): void;
}

/** What `Promise.withResolvers` does, which Node 20 has not. */
export function signalled(): Signalled {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}
