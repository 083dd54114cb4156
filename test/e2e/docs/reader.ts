import { copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, root } from '../../support/cli.ts';
import { tempDir } from '../../support/temp.ts';

const DOCKERFILE = `FROM alpine AS app
ARG VERSION=0
LABEL version=$VERSION
COPY hello /usr/local/bin/hello
ENTRYPOINT ["hello"]
`;
/** Of no packages, so that there is little to compile. */
const SOURCE = 'package main\n\nfunc main() { println("hello from Go") }\n';
/** Makes a program in its only stage. */
const ONE_STAGE = `FROM alpine
RUN --mount=target=/in ["busybox", "cp", "/in/hello", "/usr/local/bin/hello"]
`;

/** A folder with what the pages speak of, under version control. */
export async function readersFolder(): Promise<string> {
  const folder = tempDir();
  mkdirSync(join(folder, 'dist'));
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'hello'));
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'dist/hello-linux-amd64'));
  copyFileSync(join(root, 'testdata/hello-arm64'), join(folder, 'dist/hello-linux-arm64'));
  cpSync(join(root, 'testdata/hello-go'), join(folder, 'hello-go'), { recursive: true });
  cpSync(join(root, 'integrations'), join(folder, 'integrations'), { recursive: true });
  for (const name of ['deploy', 'config']) mkdirSync(join(folder, name));
  for (const name of ['source/hello', 'one-stage']) mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'source/hello/go.mod'), 'module example.com/hello\n');
  writeFileSync(join(folder, 'source/hello/main.go'), SOURCE);
  copyFileSync(join(root, 'testdata/hello'), join(folder, 'one-stage/hello'));
  writeFileSync(join(folder, 'one-stage/Dockerfile'), ONE_STAGE);
  cpSync('/bin/true', join(folder, 'glibc/hello'), { dereference: true });
  writeFileSync(join(folder, 'Dockerfile'), DOCKERFILE);
  writeFileSync(join(folder, 'deploy/Dockerfile'), DOCKERFILE);
  writeFileSync(join(folder, 'config/hello.conf'), 'greeting = hello\n');
  writeFileSync(join(folder, 'motd'), 'hello\n');
  const identity = ['-c', 'user.name=me', '-c', 'user.email=me@example.com'];
  await must('git', ['init', '-q'], { cwd: folder });
  await must('git', ['add', '-A'], { cwd: folder });
  await must('git', [...identity, 'commit', '-qm', 'hello'], { cwd: folder });
  return folder;
}
