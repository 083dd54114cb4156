import { execFile } from 'node:child_process';
import { OcislimError, systemCode } from '../lib/errors.ts';

/** What a helper keeps for one server. */
export interface HelperEntry {
  readonly username: string;
  readonly secret: string;
}

/** How long a helper may take, in milliseconds; those of clouds ask a server of theirs. */
const TIME_LIMIT = 30_000;
const OUTPUT_LIMIT = 256 * 1024;

/**
 * A program `docker-credential-NAME` on the PATH (github.com/docker/docker-credential-helpers), run without a shell.
 */
export class CredentialHelper {
  readonly program: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #timeLimit: number;

  /** @throws OCISLIM_CONFIG_INVALID for a name that could be a path or an option */
  constructor(name: string, env: NodeJS.ProcessEnv, timeLimit = TIME_LIMIT) {
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(name)) {
      throw new OcislimError(
        'OCISLIM_CONFIG_INVALID',
        `${JSON.stringify(name.slice(0, 100))} is not the name of a credential helper`,
      );
    }
    this.program = `docker-credential-${name}`;
    this.#env = env;
    this.#timeLimit = timeLimit;
  }

  /** Undefined where the helper knows no such server. @throws OCISLIM_CONFIG_INVALID where it does not work */
  async get(server: string): Promise<HelperEntry | undefined> {
    const { code, stdout } = await this.#run('get', server);
    if (code !== 0) {
      if (/not found|no credentials/i.test(stdout)) return undefined;
      throw this.#failed(`failed (exit code ${code})`);
    }
    let entry: unknown;
    try {
      entry = JSON.parse(stdout);
    } catch {
      // The parser's message would quote what may be a secret.
      throw this.#failed('gave something that is not JSON');
    }
    if (typeof entry !== 'object' || entry === null)
      throw this.#failed('gave something that is no credential');
    const { Username, Secret } = entry as Readonly<Record<'Username' | 'Secret', unknown>>;
    if (typeof Username !== 'string' || typeof Secret !== 'string') {
      throw this.#failed('gave something that is no credential');
    }
    return Secret === '' ? undefined : { username: Username, secret: Secret };
  }

  async store(server: string, { username, secret }: HelperEntry): Promise<void> {
    const entry = JSON.stringify({ ServerURL: server, Username: username, Secret: secret });
    const { code } = await this.#run('store', entry);
    if (code !== 0) throw this.#failed(`could not keep the credentials (exit code ${code})`);
  }

  async erase(server: string): Promise<void> {
    const { code } = await this.#run('erase', server);
    if (code !== 0) throw this.#failed(`could not forget the credentials (exit code ${code})`);
  }

  #run(action: string, input: string): Promise<{ readonly code: number; readonly stdout: string }> {
    return new Promise((resolve, reject) => {
      const options = {
        env: this.#env,
        timeout: this.#timeLimit,
        killSignal: 'SIGKILL',
        maxBuffer: OUTPUT_LIMIT,
        windowsHide: true,
      } as const;
      const child = execFile(this.program, [action], options, (error, stdout) => {
        if (error === null) resolve({ code: 0, stdout });
        else if (typeof error.code === 'number') resolve({ code: error.code, stdout });
        else if (systemCode(error) === 'ENOENT') reject(this.#failed('is not on the PATH'));
        else if (error.killed) reject(this.#failed(`did not answer within ${this.#timeLimit / 1000} s`));
        else reject(this.#failed(`cannot be run (${systemCode(error) ?? error.signal ?? 'unknown reason'})`));
      });
      child.stdin?.on('error', () => {
        // A helper that ends without reading is judged by its exit code.
      });
      child.stdin?.end(input);
    });
  }

  /** Without the cause: the error of a child process repeats what it printed. */
  #failed(why: string): OcislimError {
    return new OcislimError('OCISLIM_CONFIG_INVALID', `${this.program} ${why}`);
  }
}
