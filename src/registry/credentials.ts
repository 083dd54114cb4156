import { OcislimError } from '../lib/errors.ts';
import {
  type AuthEntry,
  type AuthFile,
  type AuthPlace,
  authKeys,
  authPlaces,
  findEntry,
  readAuthFile,
  serverOfKey,
} from './auth-file.ts';
import { CredentialHelper } from './credential-helper.ts';
import type { Reference } from './reference.ts';

/** What proves to a registry who asks. */
export interface Credential {
  /** `identity-token`: buys tokens by OAuth2. `registry-token`: is itself what a registry is shown. */
  readonly kind: 'password' | 'identity-token' | 'registry-token';
  readonly username: string;
  readonly secret: string;
  /** Whose it is and where it was found, for messages; never the secret. */
  readonly from: string;
}

/** What looking for a credential came to. */
export interface Lookup {
  readonly credential: Credential | undefined;
  /** The places looked in, up to the one that had it. */
  readonly searched: readonly string[];
  /** What went wrong on the way: a helper that is not there, a file that is broken. None of it is fatal. */
  readonly problems: readonly string[];
}

export type FindCredential = (repository: Pick<Reference, 'registry' | 'repository'>) => Promise<Lookup>;

export interface CredentialOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** Limit on a helper's time, in milliseconds. */
  readonly helperTimeLimit?: number | undefined;
}

/** The user name by which helpers and files mark an identity token. */
const IDENTITY_TOKEN = '<token>';

/**
 * Looks for credentials as Docker and Podman keep them: in each file the helper of the repository or its registry,
 * then the general helper, then the file's own entries. Nothing found is an answer like any other; most pulls need
 * nothing.
 */
export function credentialFinder({ env, home, helperTimeLimit }: CredentialOptions): FindCredential {
  const places = authPlaces(env, home);
  return async (repository) => {
    const keys = authKeys(repository);
    const searched: string[] = [];
    const problems: string[] = [];
    for (const place of places) {
      searched.push(place.name);
      const file = await attempt(() => readAuthFile(place), `${place.name} `);
      const credential = file && (await findIn(file, place, keys));
      if (credential) return { credential, searched, problems };
    }
    return { credential: undefined, searched, problems };

    async function findIn(file: AuthFile, place: AuthPlace, keys: readonly string[]) {
      for (const { name, server } of helpersFor(file, keys)) {
        const found = await attempt(() => askHelper(name, server, place), `${place.name}: `);
        if (found !== undefined) return found;
      }
      return attempt(async () => fromEntry(findEntry(withContent(file.auths), keys)?.value, place), '');
    }

    async function askHelper(
      name: string,
      server: string,
      place: AuthPlace,
    ): Promise<Credential | undefined> {
      const helper = new CredentialHelper(name, env, helperTimeLimit);
      const entry = await helper.get(server);
      return (
        entry && credentialOf(entry.username, entry.secret, `${helper.program} (named in ${place.name})`)
      );
    }

    async function attempt<T>(work: () => Promise<T>, prefix: string): Promise<T | undefined> {
      try {
        return await work();
      } catch (error) {
        problems.push(prefix + (error instanceof Error ? error.message : 'failed'));
        return undefined;
      }
    }
  };
}

/** The helpers a file names for a repository, in the order they are asked, and what each is asked for. */
export function helpersFor(
  file: AuthFile,
  keys: readonly string[],
): readonly { readonly name: string; readonly server: string }[] {
  const own = findEntry(file.credHelpers, keys);
  // For what a helper keeps, `auths` has an empty entry; only for those is it asked about single repositories.
  const asked = (name: string, last: string | undefined) =>
    keys
      .slice(0, last === undefined ? 0 : keys.indexOf(last) + 1)
      .filter((key) => key === last || findEntry(file.auths, [key]) !== undefined)
      .map((key) => ({ name, server: serverOfKey(key) }));
  return [
    ...(own === undefined ? [] : asked(own.value, own.key)),
    ...(file.credsStore ? asked(file.credsStore, keys.at(-1)) : []),
  ];
}

/** Docker leaves `{}` where a helper keeps the secret; such an entry must not hide one with content. */
function withContent(auths: AuthFile['auths']): AuthFile['auths'] {
  return Object.fromEntries(Object.entries(auths).filter(([, entry]) => Object.values(entry).some(Boolean)));
}

function fromEntry(entry: AuthEntry | undefined, place: AuthPlace): Credential | undefined {
  if (entry === undefined) return undefined;
  const [username, password] = entry.auth ? decodeAuth(entry.auth, place) : [entry.username, entry.password];
  if (entry.identitytoken) {
    const found = credentialOf(IDENTITY_TOKEN, entry.identitytoken, place.name);
    return { ...found, username: username || IDENTITY_TOKEN };
  }
  if (entry.registrytoken) {
    return {
      kind: 'registry-token',
      username: '',
      secret: entry.registrytoken,
      from: `token of ${place.name}`,
    };
  }
  if (!username || !password) return undefined;
  return credentialOf(username, password, place.name);
}

/** `auth` is base64 of `user:password`; the password may hold colons, and old Dockers ended it with NULs. */
function decodeAuth(auth: string, place: AuthPlace): [string, string] {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) {
    throw new OcislimError(
      'OCISLIM_CONFIG_INVALID',
      `${place.name}: an "auth" is not base64 of user:password`,
    );
  }
  return [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, '')];
}

/** A credential from what a file, a helper or a person gave. */
export function credentialOf(username: string, secret: string, place: string): Credential {
  return username === IDENTITY_TOKEN
    ? { kind: 'identity-token', username, secret, from: `identity token of ${place}` }
    : {
        kind: 'password',
        username,
        secret,
        from: `user ${JSON.stringify(username.slice(0, 100))} of ${place}`,
      };
}
