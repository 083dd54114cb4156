import { ADD } from './add.ts';
import type { Case } from './case.ts';
import { CONFIG } from './config.ts';
import { COPY } from './copy.ts';
import { ENV_ARG } from './env-arg.ts';
import { HEREDOC } from './heredoc.ts';
import { IGNORE } from './ignore.ts';
import { MOUNTS } from './mounts.ts';
import { ONBUILD } from './onbuild.ts';
import { RUN } from './run.ts';
import { STAGES } from './stages.ts';
import { TEXT } from './text.ts';

/** Every case by its subject. */
export const SUBJECTS: Readonly<Record<string, readonly Case[]>> = {
  COPY,
  ADD,
  RUN,
  'RUN --mount': MOUNTS,
  'here-documents': HEREDOC,
  'ENV and ARG': ENV_ARG,
  'the config': CONFIG,
  stages: STAGES,
  ONBUILD,
  '.dockerignore': IGNORE,
  'the text': TEXT,
};
