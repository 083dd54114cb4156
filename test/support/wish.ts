import { parsePlatform } from '#oci-spec-types';
import { SANDBOX_PLACES } from '../../src/compile/places.ts';
import type { Wish } from '../../src/compile/recipe.ts';

const amd64 = parsePlatform('linux/amd64');
export const arm64 = parsePlatform('linux/arm64');

/** A static program for the x86-64 machine it is compiled on, in a sandbox. */
export function wishOf(changes: Partial<Wish> = {}): Wish {
  return {
    places: SANDBOX_PLACES,
    platform: amd64,
    host: amd64,
    link: 'static',
    jlink: false,
    offline: false,
    created: 0,
    ...changes,
  };
}
