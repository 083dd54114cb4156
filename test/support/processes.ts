import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A port of loopback that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  server.close();
  await once(server, 'close');
  return address.port;
}

export interface Background {
  readonly child: ChildProcess;
  /** All it has printed so far. */
  output(): string;
  stop(): Promise<void>;
}

/** Starts a program and waits until `isReady` says yes; fails with what it printed when it ends first. */
export async function startProcess(
  command: string,
  args: readonly string[],
  isReady: (output: string) => boolean | Promise<boolean>,
  options: { readonly env?: NodeJS.ProcessEnv; readonly seconds?: number } = {},
): Promise<Background> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const take = (chunk: Buffer) => {
    printed += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = once(child, 'exit');
  ended.catch(() => {});
  const background: Background = {
    child,
    output: () => printed,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(forced);
    },
  };
  const deadline = Date.now() + (options.seconds ?? 60) * 1000;
  while (!(await isReady(printed))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await background.stop();
      throw new Error(`${command} did not become ready:\n${printed.slice(-4000)}`);
    }
    // Between two looks, since programs do not tell when they are ready.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return background;
}
