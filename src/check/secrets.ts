import { type Finding, finding } from './finding.ts';

/** Larger files are none of these. */
const SECRET_LIMIT = 64 * 1024;

/** Files that hold credentials by what they are called; the more general names only with the folder they belong in. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [
    /(?:^|\/)\.env(?:\.(?!example$|sample$|template$|dist$)[\w-]+)?$/,
    'settings that are rarely meant for others (.env)',
  ],
  [/(?:^|\/)\.aws\/credentials$/, 'credentials of AWS'],
  [
    /(?:^|\/)(?:application_default_credentials|\.?gcloud\/credentials)\.(?:json|db)$/,
    'credentials of Google Cloud',
  ],
  [/(?:^|\/)\.azure\/(?:accessTokens\.json|msal_token_cache\.\w+)$/, 'credentials of Azure'],
  [/(?:^|\/)\.kube\/config$/, 'credentials of Kubernetes'],
  [/(?:^|\/)(?:\.netrc|\.git-credentials|\.pgpass|\.htpasswd)$/, 'passwords'],
];
/** Files that hold credentials only if such a text is in them. */
const CONTENTS: readonly (readonly [RegExp, RegExp, string])[] = [
  [
    /(?:^|\/)(?:[^/.]+|[^/]*\.(?:pem|key|p8|txt|ppk)|id_\w+)$/i,
    /^(?:-----BEGIN (?:RSA |EC |DSA |OPENSSH )?PRIVATE KEY-----|PuTTY-User-Key-File-)/m,
    'a private key',
  ],
  [
    /\.json$/i,
    /"type"\s*:\s*"service_account"[\s\S]*"private_key"\s*:\s*"-----BEGIN/,
    'a key of Google Cloud',
  ],
  [
    /(?:^|\/)(?:\.docker\/config|\.dockerconfig|auth)\.?(?:json)?$/,
    /"auths?"\s*:[\s\S]*"auth"\s*:\s*"\w/,
    'passwords of registries',
  ],
  [
    /(?:^|\/)\.(?:npmrc|yarnrc|yarnrc\.yml)$/,
    /_authToken\s*=\s*[^\s$]|_password\s*=\s*[^\s$]|npmAuthToken:\s*[^\s$]/,
    'a token of npm',
  ],
  [/(?:^|\/)\.pypirc$/, /^\s*password\s*[:=]\s*\S/m, 'a token of PyPI'],
];

/** Whether {@link checkSecret} would look into a file. */
export function maybeSecret(path: string, size: number): boolean {
  if (size > SECRET_LIMIT) return false;
  return NAMES.some(([name]) => name.test(path)) || CONTENTS.some(([name]) => name.test(path));
}

/** Says whether a file that is to be added is an obvious secret; those of packages from others are only told of. */
export function checkSecret(path: string, text: string): Finding | undefined {
  const named = NAMES.find(([name]) => name.test(path))?.[1];
  const what = named ?? CONTENTS.find(([name, content]) => name.test(path) && content.test(text))?.[2];
  if (what === undefined) return undefined;
  const found = finding(
    'secret',
    `/${path} holds ${what}: whoever has the image could read it`,
    'leave it out, and give it to the container when it starts (docker run --env-file, or a mounted file)',
  );
  return path.split('/').includes('node_modules') ? { ...found, level: 'warn' } : found;
}
