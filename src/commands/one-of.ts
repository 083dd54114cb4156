import { OcislimError } from '../lib/errors.ts';

/** One of the words that an option takes. @throws OCISLIM_USAGE */
export function oneOf<T extends string>(name: string, value: string, values: readonly T[]): T {
  const found = values.find((each) => each === value);
  if (found !== undefined) return found;
  throw new OcislimError(
    'OCISLIM_USAGE',
    `${name} = ${JSON.stringify(value)}: must be ${values.join(' or ')}`,
  );
}
