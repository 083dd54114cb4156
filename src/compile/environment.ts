/** Names of the user's variables that say where things are on this machine. */
const PLACES: readonly RegExp[] = [
  /^(PATH|HOME|USERPROFILE|TMPDIR|TEMP|TMP|SYSTEMROOT|XDG_CACHE_HOME)$/i,
  /^(GOROOT|GOPATH|RUSTUP_HOME|CARGO_HOME|JAVA_HOME|MAVEN_HOME)$/,
  /^(SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS|GIT_SSL_CAINFO)$/,
];

/** Names of those that say how the network is reached. */
const NETWORK: readonly RegExp[] = [
  /^(https?|all|no)_proxy$/i,
  /^(GOPROXY|GONOPROXY|GOPRIVATE|GOSUMDB|GONOSUMDB|GONOSUMCHECK|GOINSECURE|GOVCS|GOAUTH)$/,
  /^CARGO_(HTTP_[A-Z_]+|NET_[A-Z_]+|REGISTRIES_[A-Z0-9_]+|REGISTRY_[A-Z_]+)$/,
  /^(npm_config_registry|MAVEN_OPTS|MAVEN_ARGS)$/i,
];

/** The environment of a compiler on this machine: nothing of the user's but where things are, and how the network is reached. */
export function hostEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  created: number,
): Readonly<Record<string, string>> {
  return { ...chosen(env, [...PLACES, ...NETWORK]), ...fixedEnvironment(created) };
}

/** What a compiler in a sandbox with the host's network gets of the user's. */
export function networkEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return chosen(env, NETWORK);
}

/** What lets one publish, or says who gives it out; whoever needs that for compiling says so with `--build-env`. */
const SECRET = /_(?:TOKEN|CREDENTIAL_PROVIDER)$/;

function chosen(
  env: Readonly<Record<string, string | undefined>>,
  forms: readonly RegExp[],
): Record<string, string> {
  const passed = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !SECRET.test(entry[0]) && forms.some((form) => form.test(entry[0])),
  );
  return Object.fromEntries(passed);
}

/** What is the same for every compiler, wherever it runs. */
export function fixedEnvironment(created: number): Readonly<Record<string, string>> {
  const locale = { LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC' };
  // A toolchain that fetches another is not the one that was asked what it is.
  return { ...locale, SOURCE_DATE_EPOCH: String(created), GOTOOLCHAIN: 'local' };
}
