import { lazily } from './lazily.ts';

/** The newest Node whose V8 is known to have the flag; another might complain of it on standard error. */
const NEWEST = 26;

let isOwn = false;

/** This process is the command line's, which may change it as a whole; who embeds the library decides for itself. */
export function ownProcess(): void {
  isOwn = true;
}

/**
 * From now on the heap may become five times what is in use before all of it is looked through, instead of about two times.
 * What comes from a connection is garbage a moment later, and a lot of it: beside a heap of 10 MB, V8 would look through that
 * 17 times while 130 MB come, which takes a tenth of the processor's time of unpacking them. Does nothing in a process of others.
 */
export async function collectSeldom(): Promise<void> {
  if (isOwn) await growHeap();
}

const growHeap = lazily(async () => {
  if (Number.parseInt(process.versions.node, 10) > NEWEST) return;
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--heap-growing-percent=400');
});
