import { Command } from 'commander';
import type { Artifact } from '../image/model.ts';
import type { Verified } from '../pack/verify.ts';
import { sanitise } from '../ui/sanitise.ts';
import { humanSize } from '../ui/size.ts';
import type { GlobalOptions } from './options.ts';
import { imageOptions, recordOptions } from './pack-options.ts';
import { type Session, withSession } from './session.ts';
import type { PackOptions } from './settings.ts';

interface VerifyOptions extends GlobalOptions, PackOptions {
  readonly rebuild?: string;
  readonly key?: string;
  readonly bundle?: string;
}

const HELP = `
With --rebuild PATH it is packed again, in another store and folder, with the options of pack that are given here. What the
image records need not be given: base and its digest, platforms, compression, time.

Exit code 6: it is not what it claims to be, not signed by that key, or not the same when built again.

Examples:
  ocislim verify oci:hello.oci
  ocislim verify --key cosign.pub ghcr.io/me/hello:1
  ocislim verify ghcr.io/me/hello:1 --rebuild ./hello --label team=me`;

export function verifyCommand(signal: AbortSignal): Command {
  const command = new Command('verify')
    .description('hold everything that an image claims against its bytes; its signature, with a key')
    .argument('<image>', 'a name in the store, else an image reference; or any source such as oci:DIR')
    .option('--key <file>', 'public key, whose signature there must be')
    .option('--bundle <file>', 'the signature, in the place of what is kept beside the image')
    .option('--rebuild <path>', 'pack that again, and say where the result differs')
    .optionsGroup('Options of --rebuild:');
  return recordOptions(imageOptions(command))
    .addHelpText('after', HELP)
    .action(async (image: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>();
      await withSession(options, signal, async (session) => {
        const [{ openVerified }, { openPublicKey }] = await Promise.all([
          import('../pack/verify.ts'),
          import('../sign/key-file.ts'),
        ]);
        const { key: file, bundle, rebuild } = options;
        const key = file === undefined ? undefined : await openPublicKey(file, session.context);
        const { verified, artifact } = await openVerified({ image, key, bundle }, session.context);
        for (const line of describe(verified)) session.say(line);
        if (rebuild !== undefined) {
          await buildAgain(artifact, rebuild, options, session);
          session.say(`  built again from ${rebuild}: bit-identical`);
        }
        const result = rebuild === undefined ? verified : { ...verified, rebuilt: 'bit-identical' };
        session.result(result, [`${verified.name}@${verified.digest}`]);
      });
    });
}

async function buildAgain(
  artifact: Artifact,
  path: string,
  { key: _key, bundle: _bundle, rebuild: _rebuild, ...options }: VerifyOptions,
  session: Session,
): Promise<void> {
  const [{ settingsFor, requestOf }, { lockedContext }, { recordedOptions, requireSameAgain }] =
    await Promise.all([import('./settings.ts'), import('./locked.ts'), import('../pack/rebuild.ts')]);
  const { context, project } = session;
  const recorded = await recordedOptions(artifact, context);
  const settings = settingsFor(path, { ...recorded, ...options }, project);
  const request = requestOf(settings, context.env);
  await requireSameAgain(artifact, request, await lockedContext(session, settings.locked));
}

function describe({ platforms, manifests, blobs, size, signatures }: Verified): readonly string[] {
  return [
    ...platforms.map(
      (each) =>
        `  ${each.platform}: ${each.layers} layers with their diffIDs, ${each.history} steps of history`,
    ),
    `  digests and sizes of ${manifests} manifests and ${blobs} blobs, ${humanSize(size)}`,
    ...signatures.map(({ format, key, repository }) => {
      const called = repository === undefined ? '' : `, as ${sanitise(repository)}`;
      return `  signed by ${key} (${format}${called})`;
    }),
  ];
}
