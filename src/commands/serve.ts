import { Command } from 'commander';
import { OcislimError } from '../lib/errors.ts';
import { sanitise } from '../ui/sanitise.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface ServeOptions extends GlobalOptions {
  readonly port: number;
  readonly address?: string;
  readonly listenAnywhere?: boolean;
}

const EXAMPLES = `
Examples:
  ocislim serve                          the local store, at 127.0.0.1:5000
  ocislim serve oci:hello.oci --port 0   a layout, at any free port
  ocislim serve --json                   one object with the address and the names, for scripts

It goes on until it is interrupted (exit code 130). Nothing can be pushed to it.
`;

export function serveCommand(signal: AbortSignal): Command {
  return new Command('serve')
    .description('serve the local store, or layouts, as a read-only registry on this machine')
    .argument('[source...]', 'store, oci:DIR, or the folder of a layout (default: the store)')
    .option('--port <n>', 'where to listen; 0 takes any free one', parsePort, 5000)
    .option('--address <ip>', 'the address to listen at (default: 127.0.0.1)')
    .option(
      '--listen-anywhere',
      'let other machines pull, without a password; without --address from everywhere',
    )
    .addHelpText('after', EXAMPLES)
    .action(async (sources: readonly string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ServeOptions>();
      const { port, listenAnywhere: isOpen = false } = options;
      const address = options.address ?? (isOpen ? '0.0.0.0' : '127.0.0.1');
      await withSession(options, signal, async (session) => {
        const { serve } = await import('../serve/serve.ts');
        const onRequest = options.verbose
          ? ({ method, url, status }: { method: string; url: string; status: number }) =>
              session.say(sanitise(`${status} ${method} ${url.slice(0, 200)}`))
          : undefined;
        const served = await serve({ sources, port, address, isOpen, onRequest }, session.context);
        if (isOpen)
          session.context.progress.warn(`${served.host}: whoever reaches this machine can pull from it`);
        session.result({ address: served.host, images: served.images }, [served.host]);
        for (const line of commands(served.images)) session.say(sanitise(line));
        await aborted(signal);
        // What does not end by itself ends with the process, a moment later.
        await served.close();
        process.exitCode = 130;
      });
    });
}

/** Names that are listed; a store may have hundreds. */
const SHOWN = 20;

function commands(images: readonly string[]): readonly string[] {
  const [first] = images;
  if (first === undefined) return ['  no image has a name there yet; what is packed meanwhile can be pulled'];
  const more = images.length - SHOWN;
  return [
    ...images.slice(0, SHOWN).map((image) => `  ${image}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    '',
    `  docker pull ${first}`,
    `  podman pull --tls-verify=false ${first}`,
    `  ctr images pull --plain-http ${first}`,
    `  skopeo inspect --tls-verify=false docker://${first}`,
    '',
    '  Ctrl-C ends it',
  ];
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65535) return port;
  throw new OcislimError('OCISLIM_USAGE', `--port ${text}: not a port`, { hint: '0 to 65535' });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
