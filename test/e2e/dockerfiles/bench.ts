import { join } from 'node:path';
import type { Image } from '../../../src/image/model.ts';
import { openSource } from '../../../src/transports/index.ts';
import { parseLocation } from '../../../src/transports/location.ts';
import { alpineBases } from '../../support/bases.ts';
import { must, succeeded } from '../../support/cli.ts';
import { testContext } from '../../support/context.ts';
import { type DockerEngine, startDocker } from '../../support/engines.ts';
import { tempDir } from '../../support/temp.ts';
import { BASES } from './bases.ts';
import type { Case } from './case.ts';
import { type Judges, openJudges, type Scene, writeScene } from './judges.ts';
import { type Services, startServices } from './services.ts';

/** Everything that cases share. */
export interface Bench {
  readonly docker: DockerEngine;
  readonly judges: Judges;
  /** Bases by name. */
  readonly bases: ReadonlyMap<string, Image>;
  /** Variables for ocislim, whose store has the bases. */
  readonly env: NodeJS.ProcessEnv;
  /** A case with the addresses of services, on the disk. */
  prepare(one: Case): { readonly one: Case; readonly scene: Scene };
  /** Images that docker has, by tag. */
  read(tags: readonly string[]): Promise<ReadonlyMap<string, Image>>;
  stop(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const docker = await startDocker();
  const services = await startServices();
  const bases = await makeBases(docker);
  const tags = ['alpine', 'nopath', 'lost', ...BASES.map(({ name }) => name)];
  const env = { OCISLIM_HOME: join(tempDir(), 'store'), HOME: tempDir() };
  for (const tag of tags)
    await succeeded(['copy', `docker-archive:${bases}:${tag}:latest`, `store:${tag}`], { env });
  return {
    docker,
    judges: openJudges(docker, bases),
    bases: await readArchive(bases, tags),
    env,
    prepare: (one) => prepare(one, services),
    read: async (wanted) => {
      if (wanted.length === 0) return new Map();
      const archive = join(tempDir(), 'built.tar');
      await docker.docker(['save', '-o', archive, ...wanted]);
      return readArchive(archive, wanted);
    },
    stop: async () => {
      await services.stop();
      await docker.stop();
    },
  };
}

function prepare(one: Case, services: Services): { readonly one: Case; readonly scene: Scene } {
  const args = Object.entries(one.args ?? {}).map(([name, value]) => [name, services.fill(value)]);
  const filled = { ...one, args: Object.fromEntries(args), dockerfile: services.fill(one.dockerfile) };
  return { one: filled, scene: writeScene(filled) };
}

/** Makes the bases with Docker, and one archive of them all. */
async function makeBases(docker: DockerEngine): Promise<string> {
  const [alpine] = alpineBases();
  if (alpine === undefined) throw new Error('no base');
  const PATH = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const change = ['--change', PATH, '--change', 'CMD ["/bin/sh"]'];
  await docker.docker(['import', ...change, '-', 'alpine'], { input: alpine.layer });
  await docker.docker(['import', '-', 'nopath'], { input: alpine.layer });
  const lost = ['--change', 'WORKDIR /not/there'];
  await docker.docker(['import', ...change, ...lost, '-', 'lost'], { input: alpine.layer });
  for (const { name, ...base } of BASES) {
    const { context } = writeScene(base);
    const env = { ...docker.env, DOCKER_BUILDKIT: '0' };
    await must('docker', ['build', '-q', '--network', 'none', '-t', name, context], { env });
  }
  const archive = join(tempDir(), 'bases.tar');
  await docker.docker(['save', '-o', archive, 'alpine', 'nopath', 'lost', ...BASES.map(({ name }) => name)]);
  return archive;
}

async function readArchive(archive: string, tags: readonly string[]): Promise<ReadonlyMap<string, Image>> {
  const context = await testContext();
  const images = new Map<string, Image>();
  for (const tag of tags)
    images.set(tag, await readImage(`docker-archive:${archive}:${tag}:latest`, context));
  return images;
}

/** The single-platform image at a place. */
export async function readImage(place: string, context?: Parameters<typeof openSource>[1]): Promise<Image> {
  const { artifact } = await openSource(parseLocation(place), context ?? (await testContext()));
  if (artifact.kind !== 'image') throw new Error(`${place}: ${artifact.kind}`);
  return artifact;
}

/** Does something with each, so many at a time; results are in the order of the items. */
export async function mapBounded<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, at: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T, at);
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}
