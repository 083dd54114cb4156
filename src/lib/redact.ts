/** Query parameters that carry secrets: signed URLs of object storage, and tokens. */
const SECRET_PARAMETER =
  /([?&](?:[\w.-]*(?:token|signature|credential|secret|password|apikey|api_key|sig|key-pair-id)[\w.-]*|policy)=)[^&\s"']+/gi;
const USER_INFO = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s@"']+@/gi;
const AUTHORIZATION = /\b((?:authorization\s*[:=]\s*)?(?:bearer|basic)\s+)[\w.~+/=-]{8,}/gi;

/** Takes what must not be seen out of a message: passwords in URLs, signatures of signed ones, authorization values. */
export function redact(text: string): string {
  return text.replace(USER_INFO, '$1***@').replace(SECRET_PARAMETER, '$1***').replace(AUTHORIZATION, '$1***');
}
