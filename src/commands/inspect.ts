import { Command } from 'commander';
import type { InspectedImage, Inspection } from '../pack/inspect.ts';
import { humanSize } from '../ui/size.ts';
import { table } from '../ui/table.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface InspectOptions extends GlobalOptions {
  readonly platform?: string;
  readonly raw?: boolean;
}

export function inspectCommand(signal: AbortSignal): Command {
  return new Command('inspect')
    .description('show platforms, configuration and layers of an image')
    .argument('<image>', 'a name in the store, else an image reference; or any source such as oci:DIR')
    .option('--platform <platform>', "that platform's image alone")
    .option('--raw', 'print the manifest or index as it is')
    .option('--config', "print the image's configuration as it is")
    .action(async (image: string, own: { readonly config?: true }, command: Command) => {
      // Here `--config` is a question about the image; the project file's is said before the command.
      const { config } = command.parent?.opts<GlobalOptions>() ?? {};
      const { config: _, ...rest } = command.optsWithGlobals<InspectOptions>();
      const options = { ...rest, ...(config === undefined ? {} : { config }) };
      await withSession(options, signal, async (session) => {
        const { inspect, rawConfigOf } = await import('../pack/inspect.ts');
        const { inspection, artifact } = await inspect(image, options.platform, session.context);
        if (options.raw) process.stdout.write(Buffer.from(artifact.raw));
        else if (own.config) process.stdout.write(Buffer.from(rawConfigOf(artifact)));
        else session.result(inspection, describe(inspection));
      });
    });
}

function describe(inspection: Inspection): readonly string[] {
  const head = [
    `Name:       ${inspection.name}`,
    `Digest:     ${inspection.digest}`,
    `Media type: ${inspection.mediaType}`,
  ];
  return [...head, ...inspection.platforms.flatMap((image) => ['', ...describeImage(image)])];
}

function describeImage(image: InspectedImage): readonly string[] {
  const { config } = image;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Platform', image.platform],
    ['Digest', image.digest],
    ['Image ID', image.imageId],
    ['Created', image.created],
    ['Base', image.base],
    ['Entrypoint', words(config.Entrypoint)],
    ['Cmd', words(config.Cmd)],
    ['User', config.User || undefined],
    ['Workdir', config.WorkingDir || undefined],
    ['Env', config.Env?.join(' ')],
    ['Expose', keys(config.ExposedPorts)],
    ['Volumes', keys(config.Volumes)],
    [
      'Labels',
      config.Labels
        ? Object.entries(config.Labels)
            .map(([key, value]) => `${key}=${value}`)
            .join(' ')
        : undefined,
    ],
    ['Stop signal', config.StopSignal],
    ['Size', sizes(image)],
  ];
  const layers = image.layers.map((layer) => [
    layer.origin,
    layer.digest,
    layer.unpackedSize === undefined ? '-' : humanSize(layer.unpackedSize),
    humanSize(layer.size),
    layer.createdBy ?? '',
  ]);
  return [
    ...facts.flatMap(([label, value]) => (value ? [`${`${label}:`.padEnd(12)}${value}`] : [])),
    ...table(['LAYER', 'DIGEST', 'UNPACKED', 'PULL', 'CREATED BY'], layers),
  ];
}

function sizes({ size, unpackedSize }: InspectedImage): string {
  const pull = `${humanSize(size)} to pull`;
  return unpackedSize === undefined
    ? `${pull} (pull it for the unpacked sizes)`
    : `${humanSize(unpackedSize)} unpacked, ${pull}`;
}

function words(value: readonly string[] | null | undefined): string | undefined {
  return value && value.length > 0 ? JSON.stringify(value) : undefined;
}

function keys(value: Readonly<Record<string, object>> | null | undefined): string | undefined {
  return value ? Object.keys(value).join(' ') : undefined;
}
