import type { Case } from '../model.ts';
import { builds } from './build.ts';
import { check } from './check.ts';
import { compile } from './compile.ts';
import { compression } from './compression.ts';
import { files, programs } from './deliver.ts';
import { gigabytes } from './gigabytes.ts';
import { toolchain } from './toolchain.ts';
import { version } from './version.ts';

export const cases: readonly Case[] = [
  version,
  ...programs,
  files,
  toolchain,
  ...builds,
  compile,
  check,
  compression,
  gigabytes,
];
