import { OcislimError } from '../lib/errors.ts';
import { isLoopback } from './address.ts';

/** How a host is reached: through the proxy that an environment variable names. */
export interface Proxy {
  readonly url: URL;
  readonly variable: string;
}

/**
 * The proxy that a URL is reached through, by the variables that curl and Go's clients follow, lower case first;
 * undefined where it is reached directly, as loopback always is.
 * @throws OCISLIM_CONFIG_INVALID for a variable that holds no URL
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): Proxy | undefined {
  const find = (name: string) => [name, name.toUpperCase()].find((variable) => env[variable]);
  const exempt = find('no_proxy');
  if (isLoopback(url.host) || (exempt !== undefined && isExempt(url, env[exempt] ?? ''))) return undefined;
  // Where HTTPS has no proxy of its own, that of HTTP serves for both.
  const variable = (url.protocol === 'https:' ? find('https_proxy') : undefined) ?? find('http_proxy');
  if (variable === undefined) return undefined;
  const text = env[variable] ?? '';
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (/^https?:/i.test(whole) && URL.canParse(whole)) return { url: new URL(whole), variable };
  throw new OcislimError('OCISLIM_CONFIG_INVALID', `${variable}: not the URL of an HTTP proxy`, {
    hint: 'for example http://proxy.example.com:3128',
  });
}

/** Entries of NO_PROXY are hosts with what is below them, perhaps with a port; `*` is everything. */
function isExempt({ hostname, port, protocol }: URL, noProxy: string): boolean {
  const host = hostname.toLowerCase();
  const own = Number(port) || (protocol === 'https:' ? 443 : 80);
  return noProxy
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = entry, only] = /^(.+):(\d+)$/.exec(entry) ?? [];
      if (only !== undefined && Number(only) !== own) return false;
      const suffix = name.toLowerCase().replace(/^\*?\./, '');
      return host === suffix || host.endsWith(`.${suffix}`);
    });
}
