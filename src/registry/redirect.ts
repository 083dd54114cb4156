import { OcislimError } from '../lib/errors.ts';
import { isLinkLocal } from './address.ts';
import { discard, type HttpRequest, type HttpResponse, header, type Send } from './http.ts';

const HOPS = 5;

/**
 * Follows redirects by hand, at most five. Whoever leaves the origin goes on without credentials, and does not get
 * them back on a way that returns (CVE-2020-15157 and its kin).
 */
export function redirecting(send: Send): Send {
  return async (first) => {
    let request = first;
    for (let hops = 0; ; hops++) {
      const response = await send(request);
      const target = targetOf(request, response);
      if (target === undefined) return response;
      await discard(response);
      if (hops === HOPS) throw refused(request.url, `redirects more than ${HOPS} times`);
      checkTarget(request.url, target);
      const leaves = target.origin !== request.url.origin;
      request = {
        ...request,
        url: target,
        ...(leaves ? { anonymous: true, unverified: false, scopes: undefined } : {}),
      };
    }
  };
}

function targetOf({ method, url }: HttpRequest, response: HttpResponse): URL | undefined {
  const isRead = method === 'GET' || method === 'HEAD';
  const follows = isRead ? [301, 302, 303, 307, 308] : [307, 308];
  const location = header(response, 'location');
  if (!follows.includes(response.status) || location === undefined) return undefined;
  if (!URL.canParse(location, url.href)) throw refused(url, 'redirects to something that is no URL');
  return new URL(location, url);
}

function checkTarget(from: URL, to: URL): void {
  const legal = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!legal) throw refused(from, `redirects from ${from.protocol}// to ${to.protocol}//${to.host}`);
  if (isLinkLocal(to.host) && !isLinkLocal(from.host)) {
    throw refused(from, `redirects to the link-local address ${to.host}`);
  }
}

function refused(url: URL, why: string): OcislimError {
  return new OcislimError('OCISLIM_REGISTRY_FAILED', `${url.host}: ${url.pathname} ${why}; not followed`);
}
