import { nearest } from '../config/nearest.ts';
import type { Dockerfile, Stage } from '../dockerfile/ast.ts';
import { OcislimError } from '../lib/errors.ts';
import { contextName } from './context-name.ts';

/** How messages name a stage: by its name, else by its number from 0. */
export function stageTitle({ stages }: Pick<Dockerfile, 'stages'>, at: number): string {
  return stages[at]?.from.name ?? `stage-${at}`;
}

/** The stage before `before` that a name or a number means; names compare without case, and the last of a name counts. */
export function findStage(
  { stages }: Pick<Dockerfile, 'stages'>,
  reference: string,
  before = stages.length,
): number | undefined {
  const name = reference.toLowerCase();
  for (let at = before - 1; at >= 0; at--) if (stages[at]?.from.name === name) return at;
  const number = /^\d{1,6}$/.test(reference) ? Number(reference) : undefined;
  return number !== undefined && number < before ? number : undefined;
}

/** The stage that is asked for; the last one where none is. @throws OCISLIM_USAGE */
export function targetStage(file: Pick<Dockerfile, 'stages' | 'name'>, target: string | undefined): number {
  return target === undefined ? file.stages.length - 1 : requireStage(file, target, '--target');
}

/** The stage that an option names. @throws OCISLIM_USAGE */
export function requireStage(
  file: Pick<Dockerfile, 'stages' | 'name'>,
  reference: string,
  option: string,
): number {
  const found = findStage(file, reference);
  if (found !== undefined) return found;
  const names = file.stages.map((_, at) => stageTitle(file, at));
  const similar = nearest(reference, names);
  throw new OcislimError('OCISLIM_USAGE', `${option} ${reference}: ${file.name} has no such stage`, {
    hint: similar === undefined ? `its stages are ${names.join(', ')}` : `did you mean ${similar}?`,
  });
}

/**
 * A stage and all stages that it is made with, in the order of the file. What arguments decide is not known yet: a
 * stage that is named so is begun when it is asked for.
 * @param named names that stand for something else than a stage
 */
export function neededStages(
  file: Pick<Dockerfile, 'stages'>,
  target: number,
  named: ReadonlySet<string> = new Set(),
): readonly number[] {
  const needed = new Set<number>();
  const left = [target];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    const stage = file.stages[at];
    if (stage === undefined || needed.has(at)) continue;
    needed.add(at);
    for (const name of namesIn(stage)) {
      const found = named.has(contextName(name)) ? undefined : findStage(file, name, at);
      if (found !== undefined) left.push(found);
    }
  }
  return [...needed].sort((a, b) => a - b);
}

/** The stages whose layers a stage's image has: itself, and those that it is built from. */
export function stagesOfImage(file: Pick<Dockerfile, 'stages'>, target: number): ReadonlySet<number> {
  const found = new Set<number>();
  for (let at: number | undefined = target; at !== undefined; ) {
    found.add(at);
    const name: string = file.stages[at]?.from.image.text ?? '';
    // What arguments decide may be any of them.
    if (name.includes('$')) return new Set(file.stages.keys());
    at = findStage(file, name, at);
  }
  return found;
}

/** What a stage names that may be another stage. */
function namesIn({ from, instructions }: Stage): readonly string[] {
  const names = [from.image.text];
  for (const outer of instructions) {
    const each = outer.kind === 'onbuild' ? outer.instruction : outer;
    if (each.kind === 'copy' && each.from !== undefined) names.push(each.from.text);
    if (each.kind === 'run')
      for (const mount of each.mounts) names.push(/(?:^|,)from=([^,]+)/.exec(mount.text)?.[1] ?? '');
  }
  return names.filter((name) => name !== '');
}
