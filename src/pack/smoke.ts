import { formatPlatform, hostPlatform, runsOn } from '#oci-spec-types';
import { platformOfConfig } from '../image/load.ts';
import type { Image } from '../image/model.ts';
import { changeConfig } from '../image/mutate.ts';
import { OcislimError } from '../lib/errors.ts';
import type { SandboxName } from '../sandbox/choose.ts';
import type { Context } from '../transports/context.ts';
import type { PackRequest } from './request.ts';
import { startImage } from './run.ts';

/** Longer than anything that says its version or does a self-test. */
const SECONDS = 60;
/** Lines of its output that an error shows, of the last bytes that are kept. */
const KEPT = 20;
const KEPT_BYTES = 64 * 1024;
/** More than a test of oneself takes. */
const PROCESSES = 4096;

/**
 * Starts those images that this machine can start, with arguments, and sees that they end well.
 * @throws OCISLIM_CHECK_FAILED with what the program printed
 */
export async function smoke(
  images: readonly Image[],
  name: string,
  args: readonly string[],
  { sandbox, check }: Pick<PackRequest, 'check'> & { readonly sandbox: SandboxName },
  context: Context,
): Promise<void> {
  for (const image of images) {
    const platform = platformOfConfig(image.config);
    const shown = `${name} ${formatPlatform(platform)}`;
    if (!runsOn(platform, hostPlatform())) {
      context.progress.warn(`${shown}: not started, since this machine cannot`);
      continue;
    }
    const cmd = args.length > 0 ? args : undefined;
    const config = changeConfig(image.config.config ?? {}, { cmd });
    let output = Buffer.alloc(0);
    const onOutput = (chunk: Buffer) => {
      output = Buffer.concat([output, chunk]).subarray(-KEPT_BYTES);
    };
    const room = {
      name,
      instead: 'deliver it untried, without --smoke',
      mounts: [],
      network: 'none',
      limits: { seconds: SECONDS, processes: PROCESSES },
      isInteractive: false,
    } as const;
    const { code, isOutOfTime } = await startImage(
      { ...image, config: { ...image.config, config } },
      { ...room, sandbox },
      context,
      { onOutput },
    );
    if (code === 0 && !isOutOfTime) {
      context.progress.note(`${shown}: started, and ended well`);
      continue;
    }
    const how = isOutOfTime ? `was still running after ${SECONDS} s` : `ended with exit code ${code}`;
    const error = new OcislimError('OCISLIM_CHECK_FAILED', `smoke test: ${shown} ${how}`, {
      hint: isOutOfTime
        ? 'give arguments with which it ends by itself, such as --smoke=--version'
        : undefined,
      output: output.toString('utf8').trimEnd().split('\n').slice(-KEPT),
    });
    if (check === 'error') throw error;
    context.progress.warn(error.message);
  }
}
