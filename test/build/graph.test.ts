import { describe, expect, it } from 'vitest';
import { findStage, neededStages, stagesOfImage, stageTitle, targetStage } from '../../src/build/graph.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';

const file = parseDockerfile(
  [
    'FROM alpine AS base',
    'FROM Base AS Builder',
    'RUN --mount=type=bind,from=tools,target=/t true',
    'FROM alpine AS tools',
    'FROM alpine',
    'COPY --from=1 /a /a',
    'FROM scratch AS unused',
    'FROM 3 AS last',
    'COPY --from=BUILDER /a /a',
    'COPY --from=nginx /etc/nginx /etc/nginx',
  ].join('\n'),
  { name: 'Dockerfile' },
);

describe('stages', () => {
  it('are found by name without case, and by number', () => {
    expect(findStage(file, 'BUILDER')).toBe(1);
    expect(findStage(file, '3')).toBe(3);
    expect(findStage(file, 'builder', 1)).toBeUndefined();
    expect(findStage(file, '9')).toBeUndefined();
    expect(findStage(file, 'alpine')).toBeUndefined();
  });

  it('are named by their number where they have no name', () => {
    expect(file.stages.map((_, at) => stageTitle(file, at))).toEqual([
      'base',
      'builder',
      'tools',
      'stage-3',
      'unused',
      'last',
    ]);
  });

  it('are only those that the target is made with', () => {
    // A stage that comes later is none: `from=tools` in the builder is an image.
    expect(neededStages(file, 5)).toEqual([0, 1, 3, 5]);
    expect(neededStages(file, 4)).toEqual([4]);
    expect(neededStages(file, 1)).toEqual([0, 1]);
  });

  it('are not those whose names stand for something else', () => {
    expect(neededStages(file, 5, new Set(['builder']))).toEqual([0, 1, 3, 5]);
    expect(neededStages(file, 1, new Set(['base']))).toEqual([1]);
  });

  it('have their layers in the image where it is built from them', () => {
    expect([...stagesOfImage(file, 5)].sort()).toEqual([3, 5]);
    expect([...stagesOfImage(file, 1)].sort()).toEqual([0, 1]);
    const named = parseDockerfile('ARG x=a\nFROM b AS a\nFROM $x', { name: 'Dockerfile' });
    expect([...stagesOfImage(named, 1)].sort()).toEqual([0, 1]);
  });

  it('are the last, where no target is asked for', () => {
    expect(targetStage(file, undefined)).toBe(5);
    expect(targetStage(file, 'Tools')).toBe(2);
    expect(() => targetStage(file, 'tool')).toThrow('has no such stage');
  });
});
