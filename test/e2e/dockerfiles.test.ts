import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Image } from '../../src/image/model.ts';
import { validateArtifact } from '../../src/image/validate.ts';
import { ocislim, type Ran } from '../support/cli.ts';
import { changes } from '../support/merged.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';
import { SUBJECTS } from './dockerfiles/all.ts';
import { type Bench, mapBounded, openBench, readImage } from './dockerfiles/bench.ts';
import type { Case, Judge } from './dockerfiles/case.ts';
import { configChanges, NOTHING, type Picture, pictureOf } from './dockerfiles/compare.ts';
import { optionsOf } from './dockerfiles/judges.ts';

type Builder = Exclude<Judge, 'hand'>;

interface Judgement {
  readonly judge: Builder;
  readonly ran: Ran;
  readonly image?: Image | undefined;
}

/** The first that a case names; all of them with `OCISLIM_TEST_ALL_JUDGES=1`, which must then agree. */
function judgesOf({ judge }: Case): readonly Builder[] {
  const named = [judge].flat().filter((each): each is Builder => each !== 'hand');
  return process.env['OCISLIM_TEST_ALL_JUDGES'] === '1' ? named : named.slice(0, 1);
}

const CASES = Object.values(SUBJECTS).flat();

describeWithPeers(
  'Dockerfiles, each built by ocislim and by another builder',
  ['dockerd', 'docker', 'buildah', 'git', 'bzip2', 'xz', 'zstd', 'bwrap'],
  () => {
    let bench: Bench;
    let judged: ReadonlyMap<Case, readonly Judgement[]>;

    beforeAll(async () => {
      bench = await openBench();
      judged = await judgeAll(bench);
    }, 300_000);
    afterAll(() => bench.stop());

    const baseOf = async ({ expect: expected, dockerfile }: Case): Promise<Picture> => {
      const last = [...dockerfile.matchAll(/^ *from (?:--\S+ )?(\S+)/gim)].at(-1)?.[1] ?? '';
      const name = expected?.base ?? (bench.bases.has(last) || last === 'scratch' ? last : 'alpine');
      const base = bench.bases.get(name);
      return base === undefined ? NOTHING : pictureOf(base);
    };

    const judgedCases = CASES.filter((one) => judgesOf(one).length > 0);
    it.each(judgedCases.map((one) => [one.name, one] as const))('the judge says so: %s', async (_, one) => {
      for (const { judge, ran, image } of judged.get(one) ?? []) {
        if (one.refuses !== undefined) expect([judge, ran.code]).not.toEqual([judge, 0]);
        else expect([judge, ran.code, image === undefined ? saidBy(ran) : '']).toEqual([judge, 0, '']);
        if (image !== undefined)
          expectAsSaid(one, await baseOf(one), withoutTraces(one, await pictureOf(image)));
      }
      const pictures = await Promise.all(
        (judged.get(one) ?? []).flatMap(({ image }) => (image === undefined ? [] : [pictureOf(image)])),
      );
      for (const other of pictures.slice(1)) expectAlike(one, 'classic', other, pictures[0] ?? NOTHING);
    });

    describe.each(Object.entries(SUBJECTS))('%s', (_, cases) => {
      it.concurrent.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
        const judgements = judged.get(one) ?? [];
        const { scene, one: filled } = bench.prepare(one);
        const out = join(tempDir(), 'out');
        const options = optionsOf(filled, scene);
        const how = ['--network', 'none', '-o', `oci:${out}`];
        const ran = await ocislim(['build', scene.context, ...options, ...how], { env: bench.env });
        if (one.refuses !== undefined) {
          expect([ran.code === 0, ran.stderr]).toEqual([false, expect.stringMatching(one.refuses)]);
          // A fault of ocislim's own would be code 1 with a stack and no message of the build.
          expect(ran.stderr).not.toMatch(/^ +at .*\.js:\d+/m);
          expect(existsSync(join(out, 'index.json'))).toBe(false);
          return;
        }
        expect([ran.code, saidBy(ran)]).toEqual([0, expect.anything()]);
        if (one.prints !== undefined) expect(ran.stderr).toMatch(one.prints);
        const made = await readImage(`oci:${out}`);
        expect(await validateArtifact(made)).toEqual([]);
        const picture = await pictureOf(made);
        expectAsSaid(one, await baseOf(one), picture);
        for (const { judge, image } of judgements)
          if (image !== undefined) expectAlike(one, judge, await pictureOf(image), picture);
      });
    });
  },
  asRoot,
);

/** Every case by every judge that it names, a few at a time, and all images read from one archive. */
async function judgeAll(bench: Bench): Promise<ReadonlyMap<Case, readonly Judgement[]>> {
  const jobs = CASES.flatMap((one) => judgesOf(one).map((judge) => ({ one, judge })));
  const rans = await mapBounded(jobs, 3, ({ one, judge }, at) => {
    const { scene, one: filled } = bench.prepare(one);
    return bench.judges.build(judge, `judged-${at}`, filled, scene);
  });
  const tags = jobs.flatMap((_, at) => (rans[at]?.code === 0 ? [`judged-${at}`] : []));
  const images = await bench.read(tags);
  const all = new Map<Case, Judgement[]>();
  for (const [at, { one, judge }] of jobs.entries()) {
    const ran = rans[at];
    if (ran === undefined) continue;
    all.set(one, [...(all.get(one) ?? []), { judge, ran, image: images.get(`judged-${at}`) }]);
  }
  return all;
}

const saidBy = ({ stdout, stderr }: Ran) => `${stdout}${stderr}`.slice(-2000);

/** Without what the judge is known to leave behind, be it that the case names it. */
function withoutTraces({ apart = [] }: Case, picture: Picture): Picture {
  const isTrace = (path: string) => apart.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  return { ...picture, files: new Map([...picture.files].filter(([path]) => !isTrace(path))) };
}

/** The result is what the case says by itself. */
function expectAsSaid({ expect: said }: Case, base: Picture, made: Picture): void {
  if (said?.changes !== undefined) expect(changes(base.files, made.files)).toEqual(said.changes);
  if (said?.config !== undefined) expect(configChanges(base, made)).toEqual(said.config);
  if (said?.history !== undefined) expect(made.history.length - base.history.length).toBe(said.history);
}

/** The result is the judge's; a difference is shown as what ocislim's image has and the judge's has not. */
function expectAlike(one: Case, judge: Builder, judges: Picture, made: Picture): void {
  const apart = one.apartFields ?? [];
  const fields = ({ config }: Picture) =>
    Object.fromEntries(Object.entries(config).filter(([name]) => !apart.includes(name)));
  const expected = withoutTraces(one, judges);
  expect({ judge, files: differing(expected, made) }).toEqual({ judge, files: {} });
  expect({ judge, config: fields(made) }).toEqual({ judge, config: fields(judges) });
  if (apart.includes('history')) return;
  expect({ judge, entries: made.history.length }).toEqual({ judge, entries: judges.history.length });
  for (const [at, { isEmpty, hasFiles }] of judges.history.entries()) {
    // Whether a command that changed nothing, or a folder's times alone, makes a layer is each builder's own affair.
    if (hasFiles) expect([at, made.history[at]?.isEmpty]).toEqual([at, false]);
    if (isEmpty) expect([at, made.history[at]?.hasFiles]).toEqual([at, false]);
  }
}

/** Paths whose lines differ, each with both. */
function differing(expected: Picture, made: Picture): Record<string, { expected: string; made: string }> {
  const paths = Object.keys(changes(expected.files, made.files));
  const lines = (path: string) => ({
    expected: expected.files.get(path) ?? 'nothing',
    made: made.files.get(path) ?? 'nothing',
  });
  return Object.fromEntries(paths.map((path) => [path, lines(path)]));
}
