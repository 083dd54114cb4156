import { familiarReference, parseReference } from '../registry/reference.ts';
import type { BuildRequest } from './request.ts';

/** A name of `--build-context` as it is looked up: `docker.io/library/alpine:latest` is `alpine` (BuildKit, dockerui). */
export function contextName(text: string): string {
  try {
    return familiarReference(parseReference(text)).replace(/:latest$/, '');
  } catch {
    // Stages have names that images cannot have, which compare without case.
    return text.toLowerCase();
  }
}

/** What a name in FROM, `COPY --from` or `RUN --mount=from` stands for, where `--build-context` says so. */
export function givenContext({ contexts }: Pick<BuildRequest, 'contexts'>, name: string): string | undefined {
  return contexts.get(contextName(name));
}
