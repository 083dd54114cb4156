import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bud, buildah, solve } from '../containers.ts';
import type { Case, Contender } from '../model.ts';

/** `pack` of a source folder in a toolchain's image, against the two stages that come to the same. */
export const compile: Case = {
  name: 'compile',
  title: 'Go source compiled in a toolchain image, one line changed → pushed',
  runs: 3,
  warmUps: 1,
  bars: [{ of: 'ocislim', what: 'time', against: 'buildah', atMost: 0.2 }],
  open: async (bench) => {
    const [golang, alpine] = [await bench.golang(0), await bench.alpine()];
    const context = bench.folder('compile');
    const source = join(context, 'hello');
    cpSync(join(bench.sources, 'testdata/hello-go'), source, { recursive: true });
    const main = join(source, 'main.go');
    const original = readFileSync(main, 'utf8');
    const go = "CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /hello .";
    const stages = [
      `FROM ${golang} AS builder\nWORKDIR /src\nCOPY hello .\nRUN ${go}\n`,
      `FROM ${alpine}\nCOPY --from=builder /hello /usr/local/bin/hello\nENTRYPOINT ["/usr/local/bin/hello"]\n`,
    ];
    writeFileSync(join(context, 'Dockerfile'), stages.join(''));
    const change = (run: number) => writeFileSync(main, `${original}\nvar changed${run + 1} = ${run}\n`);
    const name = (contender: string) => `${bench.host}/compile/${contender}:1`;
    const all: Contender[] = bench.own.map((own) => {
      const env = { OCISLIM_HOME: join(bench.folder(`compile-${own.name}`), 'store') };
      const where = ['--toolchain', golang, '--base', alpine, '-t', name(own.name), '--push', '-q'];
      return {
        name: own.name,
        how: '`pack --toolchain IMAGE --push`, images in its store',
        before: change,
        commands: () => [{ argv: [...own.argv, 'pack', source, ...where], env }],
      };
    });
    if (bench.has('buildah')) {
      const storage = bench.folder('compile-buildah');
      all.push({
        name: 'buildah',
        how: '`bud --layers --isolation chroot` of two stages and `push`, images in its storage',
        before: change,
        commands: () => [
          bud(storage, name('buildah'), context),
          buildah(storage, 'push', '-q', '--tls-verify=false', name('buildah')),
        ],
      });
    }
    if (bench.has('BuildKit')) {
      const { buildctl } = await bench.buildKit();
      all.push({
        name: 'BuildKit',
        how: '`buildctl build` of two stages, pushed, daemon running, images in its store',
        before: change,
        commands: () => [solve(buildctl, context, `type=image,name=${name('buildkit')},push=true`)],
      });
    }
    return all;
  },
};
