import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { writeBytesAtomically } from '../lib/atomic-file.ts';
import { OcislimError } from '../lib/errors.ts';
import { keyPassword, passwordOf } from './key-options.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface KeygenOptions extends GlobalOptions {
  readonly outputKeyPrefix: string;
}

export function keygenCommand(signal: AbortSignal): Command {
  return new Command('keygen')
    .description('make a key pair for signing, as cosign has them: cosign.key and cosign.pub')
    .option('--output-key-prefix <path>', 'what both files are called before .key and .pub', 'cosign')
    .addHelpText(
      'after',
      '\nThe private key is kept under the password of COSIGN_PASSWORD or OCISLIM_KEY_PASSWORD, else under one that is asked for.' +
        '\n\nExamples:\n  ocislim keygen\n  ocislim sign --key cosign.key ghcr.io/me/hello:1\n  ocislim verify --key cosign.pub ghcr.io/me/hello:1',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<KeygenOptions>();
      await withSession(options, signal, async (session) => {
        const { cwd, env } = session.context;
        const [privateFile, publicFile] = [
          `${options.outputKeyPrefix}.key`,
          `${options.outputKeyPrefix}.pub`,
        ];
        for (const file of [privateFile, publicFile]) if (existsSync(resolve(cwd, file))) throw taken(file);
        const password = await newPassword(env, signal);
        const { generateKeyPair } = await import('../sign/key.ts');
        const pair = await generateKeyPair(password);
        await writeBytesAtomically(resolve(cwd, privateFile), pair.privateKey, { mode: 0o600 });
        await writeBytesAtomically(resolve(cwd, publicFile), pair.publicKey);
        session.result({ privateKey: privateFile, publicKey: publicFile }, [privateFile, publicFile]);
      });
    });
}

/** Typed twice, since nothing is left of it to look at. */
async function newPassword(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  const set = passwordOf(env);
  if (set !== undefined) return set;
  const password = await keyPassword('Password for the private key: ', env, signal);
  if (password === (await keyPassword('The same again: ', env, signal))) return password;
  throw new OcislimError('OCISLIM_USAGE', 'keygen: the two passwords differ');
}

function taken(file: string): OcislimError {
  return new OcislimError('OCISLIM_OUTPUT_INVALID', `${file}: there is a file of that name already`, {
    hint: 'a key that is overwritten is lost; choose another name with --output-key-prefix',
  });
}
