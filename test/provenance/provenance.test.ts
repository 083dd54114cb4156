import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ciOf } from '../../src/provenance/ci.ts';
import { dirHash, pathMaterial } from '../../src/provenance/digests.ts';
import { gitMaterial, remoteUrl } from '../../src/provenance/git.ts';
import { hidingSecrets } from '../../src/provenance/secrets.ts';
import { LOCAL_BUILDER, provenanceStatement } from '../../src/provenance/statement.ts';
import { VERSION } from '../../src/version.ts';
import { tempDir } from '../support/temp.ts';

const commit = 'c'.repeat(40);

describe('a CI system is known by its variables', () => {
  it('GitHub Actions', () => {
    const env = {
      GITHUB_ACTIONS: 'true',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'octocat/hello-world',
      GITHUB_REF: 'refs/heads/main',
      GITHUB_SHA: commit,
      GITHUB_RUN_ID: '1658821493',
      GITHUB_RUN_ATTEMPT: '3',
      GITHUB_WORKFLOW_REF: 'octocat/hello-world/.github/workflows/release.yml@refs/heads/main',
      GITHUB_TOKEN: 'canary',
    };
    expect(ciOf(env)).toEqual({
      name: 'github',
      run: {
        builder: 'https://github.com/octocat/hello-world/.github/workflows/release.yml@refs/heads/main',
        invocation: 'https://github.com/octocat/hello-world/actions/runs/1658821493/attempts/3',
      },
      source: {
        name: 'repository',
        uri: 'git+https://github.com/octocat/hello-world@refs/heads/main',
        digest: { gitCommit: commit },
      },
    });
  });

  it('GitLab, without the token that a URL of it may hold', () => {
    const env = {
      GITLAB_CI: 'true',
      CI_SERVER_URL: 'https://gitlab.example.com',
      CI_PROJECT_URL: 'https://gitlab-ci-token:canary@gitlab.example.com/me/app',
      CI_JOB_URL: 'https://gitlab.example.com/me/app/-/jobs/42?token=canary',
      CI_RUNNER_ID: '7',
      CI_COMMIT_SHA: commit,
      CI_COMMIT_REF_NAME: 'main',
    };
    expect(ciOf(env)).toEqual({
      name: 'gitlab',
      run: {
        builder: 'https://gitlab.example.com/-/runners/7',
        invocation: 'https://gitlab.example.com/me/app/-/jobs/42',
      },
      source: {
        name: 'repository',
        uri: 'git+https://gitlab.example.com/me/app@main',
        digest: { gitCommit: commit },
      },
    });
  });

  it('Tekton, where its task passes them on', () => {
    const env = {
      TEKTON_NAMESPACE: 'ci',
      TEKTON_TASKRUN_NAME: 'pack-x7',
      TEKTON_TASKRUN_UID: 'a2b4c6d8-0000-4000-8000-000000000001',
    };
    expect(ciOf(env)?.run).toEqual({
      builder: LOCAL_BUILDER,
      invocation: 'urn:tekton:taskrun:ci:pack-x7:a2b4c6d8-0000-4000-8000-000000000001',
    });
  });

  it('or not at all, and what is no plain word is not repeated', () => {
    expect(ciOf({})).toBeUndefined();
    const env = { GITHUB_ACTIONS: 'true', GITHUB_RUN_ID: '1\n"}', GITHUB_SHA: 'HEAD' };
    expect(ciOf(env)).toEqual({ name: 'github', run: { builder: LOCAL_BUILDER }, source: undefined });
  });
});

describe('secrets are hidden', () => {
  const { text, map } = hidingSecrets({ NPM_TOKEN: 'canary-of-npm', PLAIN: 'harmless', ID: 'canary-of-id' }, [
    'ID',
  ]);

  it.each([
    'TOKEN',
    'MY_SECRET',
    'password',
    'DB_PASSWD',
    'apiKey',
    'api-key',
    'GITHUB_PAT',
    'AUTH',
    'npm_auth',
    'SESSION',
    'AWS_SECRET_ACCESS_KEY',
    'SIGNING_KEY',
  ])('by the name %s', (name) => expect(map({ [name]: 'canary' })).toEqual({ [name]: '***' }));

  it.each([
    'VERSION',
    'AUTHOR',
    'org.opencontainers.image.authors',
    'KEYBOARD',
    'MONKEY',
    'PATH',
    'TARGETOS',
  ])('and not by the name %s', (name) => expect(map({ [name]: 'value' })).toEqual({ [name]: 'value' }));

  it('wherever the value of such a variable stands', () => {
    expect(text('curl -u me:canary-of-npm; echo canary-of-id harmless')).toBe(
      'curl -u me:***; echo *** harmless',
    );
    expect(map(new Map([['URL', 'https://me:pw@example.com/x?token=abc']]))).toEqual({
      URL: 'https://***@example.com/x?token=***',
    });
  });

  it.each([
    `ghp_${'a'.repeat(36)}`,
    `glpat-${'a'.repeat(20)}`,
    'AKIAIOSFODNN7EXAMPLE',
    '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----',
  ])('by what they look like: %s', (secret) => expect(text(`--x=${secret}.`)).toBe('--x=***.'));
});

describe('sources', () => {
  it('are known by their digests: files by sha256, folders by the hash of what is in them', async () => {
    const folder = tempDir();
    mkdirSync(join(folder, 'b'));
    writeFileSync(join(folder, 'b/two'), 'two');
    writeFileSync(join(folder, 'one'), 'one');
    mkdirSync(join(folder, '.git'));
    writeFileSync(join(folder, '.git/HEAD'), 'ref');
    // sha256sum of each file; then of the two lines "HASH  PATH", sorted by path.
    const one = '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed';
    const two = '3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3';
    expect(await pathMaterial(join(folder, 'one'))).toEqual({ name: 'one', digest: { sha256: one } });
    const { digest } = await pathMaterial(folder);
    const lines = `${two}  b/two\n${one}  one\n`;
    const expected = createHash('sha256').update(lines).digest('hex');
    expect(digest).toEqual({ dirHash: expected });
    expect(dirHash([])).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it.each([
    ['https://me:canary@github.com/me/app.git', 'https://github.com/me/app.git'],
    ['https://canary@github.com/me/app?token=canary#x', 'https://github.com/me/app'],
    ['git@github.com:me/app.git', 'ssh://github.com/me/app.git'],
    ['ssh://git:canary@example.com:2222/me/app', 'ssh://example.com:2222/me/app'],
    ['/srv/git/app', undefined],
    ['file:///srv/git/app', undefined],
  ])('of the remote %s are told as %s', (remote, url) => expect(remoteUrl(remote)).toBe(url));
});

describe('a folder in a Git repository', () => {
  const env = { PATH: process.env['PATH'], HOME: tempDir() };
  const git = (folder: string, ...args: readonly string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=me', '-c', 'user.email=me@example.com', ...args], {
      env: { ...env, GIT_CONFIG_NOSYSTEM: '1' },
    })
      .toString()
      .trim();

  it('is known by its commit, and whether it has been changed since', async () => {
    const folder = tempDir();
    expect(await gitMaterial(folder, { env })).toBeUndefined();
    git(folder, 'init', '-q');
    expect(await gitMaterial(folder, { env })).toBeUndefined();
    writeFileSync(join(folder, 'main.go'), 'package main');
    git(folder, 'add', '.');
    git(folder, 'commit', '-q', '-m', 'first');
    git(folder, 'remote', 'add', 'origin', 'https://me:canary@example.com/me/app.git');
    const head = git(folder, 'rev-parse', 'HEAD');
    const clean = { name: 'repository', uri: 'git+https://example.com/me/app', digest: { gitCommit: head } };
    expect(await gitMaterial(folder, { env })).toEqual(clean);
    writeFileSync(join(folder, 'main.go'), 'package other');
    expect(await gitMaterial(folder, { env })).toEqual({ ...clean, annotations: { modified: true } });
  });

  it('runs nothing that the repository asks for', async () => {
    const folder = tempDir();
    git(folder, 'init', '-q');
    writeFileSync(join(folder, 'file'), 'x');
    git(folder, 'add', '.');
    git(folder, 'commit', '-q', '-m', 'first');
    const mark = join(tempDir(), 'mark');
    git(folder, 'config', 'core.fsmonitor', `touch ${mark}; false`);
    // The same, by hand, shows that it would.
    git(folder, 'status');
    expect(() => execFileSync('test', ['-e', mark])).not.toThrow();
    execFileSync('rm', [mark]);
    expect(await gitMaterial(folder, { env })).toBeDefined();
    expect(() => execFileSync('test', ['-e', mark], { stdio: 'ignore' })).toThrow();
  });
});

describe('a statement', () => {
  it('is what in-toto and SLSA specify, without any time', () => {
    const bytes = provenanceStatement({
      subjects: [{ name: 'docker.io/me/app', digest: `sha256:${'ab'.repeat(32)}` }],
      command: 'pack',
      parameters: { path: 'hello' },
      materials: [{ name: 'hello', digest: { sha256: 'cd'.repeat(32) } }],
      run: { builder: LOCAL_BUILDER },
    });
    expect(JSON.parse(bytes.toString())).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'docker.io/me/app', digest: { sha256: 'ab'.repeat(32) } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: {
          buildType: 'pkg:npm/ocislim#provenance/pack/v1',
          externalParameters: { path: 'hello' },
          resolvedDependencies: [{ name: 'hello', digest: { sha256: 'cd'.repeat(32) } }],
        },
        runDetails: { builder: { id: `pkg:npm/ocislim@${VERSION}`, version: { ocislim: VERSION } } },
      },
    });
  });
});
