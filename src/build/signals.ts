import { constants } from 'node:os';
import { OcislimError } from '../lib/errors.ts';

/** A signal's name as written, with or without `SIG`, or its number (Dockerfile reference § STOPSIGNAL). @throws OCISLIM_DOCKERFILE_INVALID */
export function requireSignal(text: string): string {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : undefined;
  const isKnown =
    number === undefined ? isName(text.toUpperCase().replace(/^SIG/, '')) : number >= 1 && number <= 64;
  if (isKnown) return text;
  throw new OcislimError('OCISLIM_DOCKERFILE_INVALID', `${JSON.stringify(text)} is no signal`, {
    hint: 'for example SIGTERM, or its number',
  });
}

function isName(name: string): boolean {
  return (
    Object.hasOwn(constants.signals, `SIG${name}`) || /^RTM(?:IN(?:\+\d{1,2})?|AX(?:-\d{1,2})?)$/.test(name)
  );
}
