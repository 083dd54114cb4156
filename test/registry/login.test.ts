import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type LoginContext, login, logout } from '../../src/registry/login.ts';
import { fakeRegistry } from '../support/fake-registry.ts';
import { registryClient } from '../support/registry-client.ts';
import { tempDir } from '../support/temp.ts';

const AUTH = Buffer.from('me:pw').toString('base64');

function context(
  env: NodeJS.ProcessEnv = {},
): LoginContext & { readonly home: string; readonly file: string } {
  const home = tempDir();
  const client = registryClient();
  return {
    home,
    file: join(home, '.docker/config.json'),
    env: { HOME: home, ...env },
    signal: new AbortController().signal,
    registry: async () => client,
  };
}

/** A registry that takes `me` with the password `pw`. */
function registry() {
  return fakeRegistry(({ headers }) =>
    headers.authorization === `Basic ${AUTH}`
      ? undefined
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
  );
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** A helper that appends what it is told to a file, and knows what it was told to store. */
function recordingHelper() {
  const folder = tempDir();
  const log = join(folder, 'log');
  const kept = join(folder, 'kept');
  const script = `#!/bin/sh
input=$(cat); echo "$1 $input" >> ${log}
case $1 in
store) echo "$input" > ${kept};;
get) cat ${kept} 2>/dev/null || { echo credentials not found; exit 1; };;
erase) rm ${kept};;
esac`;
  const path = join(folder, 'docker-credential-box');
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return { log, env: { PATH: [folder, process.env['PATH']].join(delimiter) } };
}

describe('login', () => {
  test('keeps what the registry takes where Docker does, for this user alone', async () => {
    const server = await registry();
    const at = context();
    expect(await login({ registry: server.host, username: 'me', secret: 'pw' }, at)).toBe(at.file);
    expect(json(at.file)).toEqual({ auths: { [server.host]: { auth: AUTH } } });
    expect(statSync(at.file).mode & 0o777).toBe(0o600);
    expect(statSync(join(at.home, '.docker')).mode & 0o777).toBe(0o700);
  });

  test('keeps nothing that the registry refuses', async () => {
    const server = await registry();
    const at = context();
    const refused = login({ registry: server.host, username: 'me', secret: 'hunter2' }, at);
    await expect(refused).rejects.toMatchObject({
      code: 'OCISLIM_UNAUTHORIZED',
      message: `${server.host}: not authorised: refused for user "me" of this login`,
    });
    expect(existsSync(at.file)).toBe(false);
  });

  test('leaves everything else in the file as it was, and a link a link', async () => {
    const server = await registry();
    const at = context();
    mkdirSync(join(at.home, '.docker'));
    const elsewhere = join(at.home, 'elsewhere.json');
    const before = { HttpHeaders: { 'X-A': 'b' }, auths: { 'a.example': { auth: 'eDp5' } }, future: [1] };
    writeFileSync(elsewhere, JSON.stringify(before));
    symlinkSync(elsewhere, at.file);
    await login({ registry: `http://${server.host}/v2/`, username: 'me', secret: 'pw' }, at);
    expect(json(elsewhere)).toEqual({ ...before, auths: { ...before.auths, [server.host]: { auth: AUTH } } });
    expect(json(at.file)).toEqual(json(elsewhere));
  });

  test('does not write over a file it cannot read', async () => {
    const server = await registry();
    const at = context();
    mkdirSync(join(at.home, '.docker'));
    writeFileSync(at.file, '{"auths":');
    await expect(login({ registry: server.host, username: 'me', secret: 'pw' }, at)).rejects.toMatchObject({
      code: 'OCISLIM_CONFIG_INVALID',
    });
    expect(readFileSync(at.file, 'utf8')).toBe('{"auths":');
  });

  test('for a repository keeps it under its name', async () => {
    const server = await registry();
    const at = context();
    await login({ registry: `${server.host}/team`, username: 'me', secret: 'pw' }, at);
    expect(json(at.file)).toEqual({ auths: { [`${server.host}/team`]: { auth: AUTH } } });
  });

  test('gives the secret to the helper that the file names, and writes none of it down', async () => {
    const server = await registry();
    const { log, env } = recordingHelper();
    const at = context(env);
    mkdirSync(join(at.home, '.docker'));
    writeFileSync(
      at.file,
      JSON.stringify({ credsStore: 'box', auths: { [server.host]: { auth: 'b2xkOm9sZA==' } } }),
    );
    expect(await login({ registry: server.host, username: 'me', secret: 'pw' }, at)).toBe(
      `docker-credential-box, named in ${at.file}`,
    );
    expect(readFileSync(log, 'utf8')).toBe(
      `store {"ServerURL":"${server.host}","Username":"me","Secret":"pw"}\n`,
    );
    expect(json(at.file)).toEqual({ credsStore: 'box', auths: { [server.host]: {} } });
    expect(await logout(server.host, at)).toBe(true);
    expect(json(at.file)).toEqual({ credsStore: 'box', auths: {} });
    expect(await logout(server.host, at)).toBe(false);
  });

  test.each(['myhost', 'UPPER case', 'a b.example', '', 'reg.example\nevil.example'])(
    'refuses %j, which no image name has for a host',
    async (host) => {
      await expect(login({ registry: host, username: 'me', secret: 'pw' }, context())).rejects.toMatchObject({
        code: expect.stringMatching(/^OCISLIM_(?:USAGE|REFERENCE_INVALID)$/),
      });
    },
  );
});

describe('logout', () => {
  test('forgets Docker Hub, however its key was written', async () => {
    const at = context();
    mkdirSync(join(at.home, '.docker'));
    writeFileSync(
      at.file,
      JSON.stringify({ auths: { 'https://index.docker.io/v1/': { auth: AUTH }, x: {} } }),
    );
    expect(await logout('docker.io', at)).toBe(true);
    expect(json(at.file)).toEqual({ auths: { x: {} } });
  });

  test('of a registry that is not known changes nothing', async () => {
    const at = context();
    expect(await logout('reg.example', at)).toBe(false);
    expect(existsSync(at.file)).toBe(false);
  });
});
