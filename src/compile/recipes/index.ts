import type { Recipe } from '../recipe.ts';
import { c } from './c.ts';
import { cmake } from './cmake.ts';
import { go } from './go.ts';
import { java } from './java.ts';
import { make } from './make.ts';
import { maven } from './maven.ts';
import { meson } from './meson.ts';
import { node } from './node.ts';
import { rust } from './rust.ts';

/** All recipes; one more language is one more line. */
export const RECIPES: readonly Recipe[] = [go, rust, c, cmake, meson, make, java, maven, node];
