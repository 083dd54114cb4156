import { Command } from 'commander';
import { OcislimError } from '../lib/errors.ts';
import { ask } from '../ui/ask.ts';
import type { GlobalOptions } from './options.ts';
import { withSession } from './session.ts';

interface LoginOptions extends GlobalOptions {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

export function loginCommand(signal: AbortSignal): Command {
  return new Command('login')
    .description("keep credentials for a registry in Docker's config.json or its credential helper")
    .argument('[registry]', 'host, or host/repository', 'docker.io')
    .option('-u, --username <name>', 'user')
    .option('-p, --password <secret>', 'password or token; safer: --password-stdin')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (registry: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<LoginOptions>();
      await withSession(options, signal, async (session) => {
        const hint = 'give -u, and the password with --password-stdin';
        const answer = async (question: string, secret: boolean) =>
          (await ask(question, { secret, hint, signal })).trim();
        const username = options.username ?? (await answer('Username: ', false));
        const secret = options.passwordStdin
          ? await standardInput()
          : (options.password ?? (await answer('Password: ', true)));
        if (username === '' || secret === '') {
          throw new OcislimError('OCISLIM_USAGE', `login ${registry}: needs a user and a password`);
        }
        const { login } = await import('../registry/login.ts');
        const kept = await login({ registry, username, secret }, session.context);
        session.result({ registry, username, keptIn: kept }, [
          `logged in to ${registry} as ${username} (kept in ${kept})`,
        ]);
      });
    });
}

export function logoutCommand(signal: AbortSignal): Command {
  return new Command('logout')
    .description('forget the credentials for a registry')
    .argument('[registry]', 'host, or host/repository', 'docker.io')
    .action(async (registry: string, _options: unknown, command: Command) => {
      await withSession(command.optsWithGlobals<GlobalOptions>(), signal, async (session) => {
        const { logout } = await import('../registry/login.ts');
        const removed = await logout(registry, session.context);
        const line = removed ? `logged out of ${registry}` : `was not logged in to ${registry}`;
        session.result({ registry, removed }, [line]);
      });
    });
}

async function standardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text.replace(/\r?\n$/, '');
}
