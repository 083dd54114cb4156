/**
 * Does several things at once. When one fails the others are told to stop, and all have ended before the failure is thrown.
 * @param begin starts them; the signal is also given when one has failed
 */
export async function atOnce<T extends readonly unknown[]>(
  signal: AbortSignal | undefined,
  begin: (signal: AbortSignal) => { readonly [K in keyof T]: Promise<T[K]> },
): Promise<T> {
  const failure = new AbortController();
  const running = begin(signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]));
  try {
    return (await Promise.all(running)) as unknown as T;
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(running);
    throw error;
  }
}
