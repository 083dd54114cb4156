import { OcislimError, systemCode } from '../lib/errors.ts';

const CERTIFICATE = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** What OpenSSL says when the other end answers a TLS greeting in plain text. */
const PLAIN_TEXT =
  /wrong version number|packet length too long|http request|unknown protocol|record layer failure/i;

const UNREACHABLE: Readonly<Record<string, readonly [string, string?]>> = {
  ENOTFOUND: ['no such host', 'check the name, and that this machine can look names up'],
  EAI_AGAIN: ['the name cannot be looked up now', 'check the network, or work from the store with --offline'],
  ECONNREFUSED: ['connection refused', 'nothing listens there: check host and port'],
  ECONNRESET: ['connection broken off'],
  EPIPE: ['connection broken off'],
  EHOSTUNREACH: ['no route to the host', 'check the network'],
  ENETUNREACH: ['the network cannot be reached', 'check the network, or work from the store with --offline'],
  ETIMEDOUT: ['connection timed out', 'check the network, or set HTTPS_PROXY where a proxy is needed'],
  ENOANSWER: ['no answer in time'],
  ESILENT: ['stopped sending in mid-answer'],
  EPROXYREFUSED: ['the proxy refused the connection', 'check HTTPS_PROXY, HTTP_PROXY and NO_PROXY'],
};

/** Names a failure below HTTP in the user's words; errors that are ocislim's own pass unchanged. */
export function connectionError(error: unknown, url: URL): unknown {
  if (error instanceof OcislimError) return error;
  const code = systemCode(error) ?? '';
  const text = error instanceof Error ? error.message : '';
  const { host } = url;
  if ((code === 'EPROTO' || code.startsWith('ERR_SSL_')) && PLAIN_TEXT.test(`${text} ${words(code)}`)) {
    return new OcislimError(
      'OCISLIM_REGISTRY_NOT_TLS',
      `${host}: speaks plain HTTP where HTTPS was expected`,
      {
        hint: `if that is intended, allow it with --insecure ${host}`,
        cause: error,
      },
    );
  }
  if (CERTIFICATE.has(code)) {
    return new OcislimError(
      'OCISLIM_REGISTRY_TLS',
      `${host}: its certificate is not trusted (${words(code)})`,
      {
        hint: `give the authority that signed it with --ca-file FILE, or accept any with --insecure ${host}`,
        cause: error,
      },
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return new OcislimError('OCISLIM_REGISTRY_TLS', `${host}: TLS failed (${words(code)})`, { cause: error });
  }
  if (code.startsWith('HPE_')) {
    return new OcislimError(
      'OCISLIM_REGISTRY_UNREACHABLE',
      `${host}: what answers there does not speak HTTP`,
      {
        hint: url.protocol === 'http:' ? 'it may want https://' : undefined,
        cause: error,
      },
    );
  }
  const [why, hint] = UNREACHABLE[code] ?? [
    code === '' ? 'cannot be reached' : `cannot be reached (${code})`,
  ];
  return new OcislimError('OCISLIM_REGISTRY_UNREACHABLE', `${host}: ${why}`, { hint, cause: error });
}

/** Failures before any byte of the request could have left. */
export function isConnectFailure(error: unknown): boolean {
  const cause = error instanceof OcislimError ? error.cause : error;
  const codes = ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'];
  return codes.includes(systemCode(cause) ?? '');
}

function words(code: string): string {
  return code
    .replace(/^ERR_(?:SSL|TLS)_/, '')
    .replaceAll('_', ' ')
    .toLowerCase();
}
