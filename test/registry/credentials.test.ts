import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { credentialFinder } from '../../src/registry/credentials.ts';
import { tempDir } from '../support/temp.ts';

const auth = (user: string, password: string) => ({
  auth: Buffer.from(`${user}:${password}`).toString('base64'),
});

function write(path: string, value: unknown): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

/** A helper in a folder of its own, as a shell script; returns the PATH that has it. */
function helper(name: string, script: string): string {
  const folder = tempDir();
  const path = join(folder, `docker-credential-${name}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return [folder, process.env['PATH']].join(delimiter);
}

const image = { registry: 'reg.example', repository: 'team/app' };
const alpine = { registry: 'docker.io', repository: 'library/alpine' };

describe('credentials in files', () => {
  test('are looked for in the order of the places, and the place is named', async () => {
    const home = tempDir();
    const runtime = tempDir();
    const last = write(join(home, '.config/containers/auth.json'), {
      auths: { 'reg.example': auth('e', '5') },
    });
    const env = { XDG_RUNTIME_DIR: runtime };
    const find = (more: NodeJS.ProcessEnv = {}) =>
      credentialFinder({ env: { ...env, ...more }, home })(image);
    expect((await find()).credential).toMatchObject({ username: 'e', from: `user "e" of ${last}` });
    write(join(runtime, 'containers/auth.json'), { auths: { 'reg.example': auth('d', '4') } });
    expect((await find()).credential?.username).toBe('d');
    const named = write(join(home, 'named.json'), { auths: { 'reg.example': auth('c', '3') } });
    expect((await find({ REGISTRY_AUTH_FILE: named })).credential?.username).toBe('c');
    write(join(home, '.docker/config.json'), { auths: { 'reg.example': auth('b', '2') } });
    expect((await find({ REGISTRY_AUTH_FILE: named })).credential?.username).toBe('b');
    const content = JSON.stringify({ auths: { 'reg.example': auth('a', '1') } });
    expect((await find({ DOCKER_AUTH_CONFIG: content })).credential).toMatchObject({
      username: 'a',
      from: 'user "a" of $DOCKER_AUTH_CONFIG',
    });
  });

  test('of a repository come before those of its registry, and never from beside it', async () => {
    const auths = {
      'reg.example': auth('host', 'x'),
      'reg.example/team': auth('team', 'x'),
      'reg.example/team/app2': auth('other', 'x'),
    };
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) };
    const find = credentialFinder({ env, home: tempDir() });
    expect((await find(image)).credential?.username).toBe('team');
    expect((await find({ ...image, repository: 'else' })).credential?.username).toBe('host');
    expect((await find({ ...image, registry: 'reg.example.evil' })).credential).toBeUndefined();
    expect((await find({ ...image, registry: 'reg.example:5000' })).credential).toBeUndefined();
  });

  test.each([
    'https://index.docker.io/v1/',
    'index.docker.io',
    'docker.io',
    'https://registry-1.docker.io/v2/',
  ])('under %s are those of Docker Hub', async (key) => {
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [key]: auth('me', 'x') } }) };
    expect((await credentialFinder({ env, home: tempDir() })(alpine)).credential?.username).toBe('me');
  });

  test('may have colons in the password', async () => {
    const env = {
      DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'https://reg.example': auth('me', 'a:b:c') } }),
    };
    expect((await credentialFinder({ env, home: tempDir() })(image)).credential?.secret).toBe('a:b:c');
  });

  test('may be an identity token', async () => {
    const auths = { 'reg.example': { ...auth('id', ''), identitytoken: 'T' } };
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) };
    expect((await credentialFinder({ env, home: tempDir() })(image)).credential).toMatchObject({
      kind: 'identity-token',
      secret: 'T',
    });
  });

  test('are missing without harm, and the places are told', async () => {
    const home = tempDir();
    write(join(home, '.docker/config.json'), '{"auths": secret');
    const lookup = await credentialFinder({ env: {}, home })(image);
    expect(lookup.credential).toBeUndefined();
    expect(lookup.searched).toEqual([
      join(home, '.docker/config.json'),
      join(home, '.config/containers/auth.json'),
    ]);
    expect(lookup.problems).toEqual([`${join(home, '.docker/config.json')} is not JSON`]);
  });
});

describe('credential helpers', () => {
  const config = (value: object) => JSON.stringify(value);

  test('of the registry are asked before the general one and before the file', async () => {
    const PATH = helper('own', 'read server; echo "{\\"Username\\":\\"$server\\",\\"Secret\\":\\"s\\"}"');
    const DOCKER_AUTH_CONFIG = config({
      credHelpers: { 'reg.example': 'own' },
      credsStore: 'general',
      auths: { 'reg.example': auth('file', 'x') },
    });
    const lookup = await credentialFinder({ env: { PATH, DOCKER_AUTH_CONFIG }, home: tempDir() })(image);
    expect(lookup.credential).toMatchObject({
      username: 'reg.example',
      from: 'user "reg.example" of docker-credential-own (named in $DOCKER_AUTH_CONFIG)',
    });
  });

  test('are asked for Docker Hub by the name Docker gives it', async () => {
    const PATH = helper('general', 'read server; echo "{\\"Username\\":\\"$server\\",\\"Secret\\":\\"s\\"}"');
    const env = { PATH, DOCKER_AUTH_CONFIG: config({ credsStore: 'general' }) };
    const lookup = await credentialFinder({ env, home: tempDir() })(alpine);
    expect(lookup.credential?.username).toBe('https://index.docker.io/v1/');
  });

  test('mark an identity token by the user name <token>', async () => {
    const PATH = helper('general', 'echo \'{"Username":"<token>","Secret":"T"}\'');
    const env = { PATH, DOCKER_AUTH_CONFIG: config({ credsStore: 'general' }) };
    const { credential } = await credentialFinder({ env, home: tempDir() })(image);
    expect(credential).toMatchObject({ kind: 'identity-token', secret: 'T' });
  });

  test('that are missing do not keep the file from being read', async () => {
    const auths = { 'reg.example': auth('file', 'x') };
    const env = { PATH: tempDir(), DOCKER_AUTH_CONFIG: config({ credsStore: 'gone', auths }) };
    const lookup = await credentialFinder({ env, home: tempDir() })(image);
    expect(lookup.credential?.username).toBe('file');
    expect(lookup.problems).toEqual(['$DOCKER_AUTH_CONFIG: docker-credential-gone is not on the PATH']);
  });

  test('that know nothing are no problem, and those that fail are', async () => {
    const silent = helper('general', 'echo credentials not found in native keychain; exit 1');
    const broken = helper('general', 'echo the secret is hunter2; exit 3');
    const find = (PATH: string) =>
      credentialFinder({
        env: { PATH, DOCKER_AUTH_CONFIG: config({ credsStore: 'general' }) },
        home: tempDir(),
      })(image);
    expect((await find(silent)).problems).toEqual([]);
    expect((await find(broken)).problems).toEqual([
      '$DOCKER_AUTH_CONFIG: docker-credential-general failed (exit code 3)',
    ]);
  });

  test('are not waited for without end', async () => {
    const PATH = helper('general', 'exec sleep 1000');
    const env = { PATH, DOCKER_AUTH_CONFIG: config({ credsStore: 'general' }) };
    const lookup = await credentialFinder({ env, home: tempDir(), helperTimeLimit: 50 })(image);
    expect(lookup.problems.join()).toContain('did not answer within');
  });

  test.each(['../x', '/bin/sh', 'a b', 'x;y', '', 'x\ny'])('named %j are not run', async (name) => {
    const env = { PATH: '/bin', DOCKER_AUTH_CONFIG: config({ credHelpers: { 'reg.example': name } }) };
    const lookup = await credentialFinder({ env, home: tempDir() })(image);
    expect(lookup.problems.join()).toContain('not the name of a credential helper');
  });
});
