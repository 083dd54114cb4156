import { header, type Send } from './http.ts';

/** More than any registry has to say; what is beyond is not read. */
const HEADER_LIMIT = 16 * 1024;
const LONGEST = 300;

/** Tells what a registry warns of (distribution-spec § Warnings) in its answers, but not what others do behind redirects. */
export function heeding(send: Send, base: URL, warn: (message: string) => void): Send {
  return async (request) => {
    const response = await send(request);
    if (response.url.origin === base.origin) {
      for (const text of parseWarnings(header(response, 'warning'))) warn(`${base.host}: ${text}`);
    }
    return response;
  };
}

/** The texts of `Warning: 299 - "…"`; other codes are about caches. */
export function parseWarnings(value: string | undefined): readonly string[] {
  const texts = (value ?? '').slice(0, HEADER_LIMIT).matchAll(/\b299 \S{1,100} "((?:[^"\\]|\\.)*)"/g);
  return [...texts]
    .map(([, text = '']) => text.replace(/\\(.)/g, '$1').slice(0, LONGEST).trim())
    .filter((text) => text !== '');
}
