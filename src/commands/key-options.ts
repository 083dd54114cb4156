import type { NamedKey } from '../sign/key.ts';

/** Variables that hold the password of a private key; the first is cosign's. */
const VARIABLES = ['COSIGN_PASSWORD', 'OCISLIM_KEY_PASSWORD'];
const HINT = `set ${VARIABLES.join(' or ')}; an empty one is a password, too`;

/** The password of a private key: a variable's, else asked for. */
export async function keyPassword(
  question: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  const set = passwordOf(env);
  if (set !== undefined) return set;
  const { ask } = await import('../ui/ask.ts');
  return ask(question, { secret: true, hint: HINT, signal });
}

export function passwordOf(env: NodeJS.ProcessEnv): string | undefined {
  return VARIABLES.map((name) => env[name]).find((value) => value !== undefined);
}

interface Where {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** The private key that `--key` or `--sign` names. @throws OCISLIM_KEY_INVALID | OCISLIM_INPUT_NOT_FOUND */
export async function signingKey(path: string, { cwd, env, signal }: Where): Promise<NamedKey> {
  const { openPrivateKey } = await import('../sign/key-file.ts');
  return openPrivateKey(path, () => keyPassword(`Password for ${path}: `, env, signal), { cwd });
}

/** The same for an option that need not be given. */
export async function signerFor(path: string | undefined, where: Where): Promise<NamedKey | undefined> {
  return path === undefined ? undefined : signingKey(path, where);
}
