import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, httpServer, type Seen } from './http-server.ts';
import { tempDir } from './temp.ts';

interface KubernetesObject {
  readonly metadata: { readonly name: string };
  readonly [key: string]: unknown;
}

/** What the stand-in keeps: by group and version, names and kinds. */
const KINDS: Readonly<Record<string, readonly [plural: string, kind: string]>> = {
  '/api/v1': ['secrets', 'Secret'],
  '/apis/batch/v1': ['jobs', 'Job'],
  '/apis/tekton.dev/v1': ['tasks', 'Task'],
};

/**
 * As much of a Kubernetes API server as `kubectl create`, `apply` and `get` need to bring objects there and back, for one
 * test. It keeps what it is given, runs none of it, and has no schemas, so that nothing is validated.
 * @returns the variable that leads kubectl there
 */
export async function kubernetes(): Promise<{ readonly KUBECONFIG: string }> {
  const objects = new Map<string, KubernetesObject>();
  const { url } = await httpServer((request) => discovered(request.path) ?? kept(request, objects));
  const file = join(tempDir(), 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'here', cluster: { server: url } }],
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
    users: [{ name: 'me', user: {} }],
    'current-context': 'here',
  };
  writeFileSync(file, JSON.stringify(config));
  return { KUBECONFIG: file };
}

function json(body: object, status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** Answers to what kubectl asks about the server itself. */
function discovered(path: string): Answer | undefined {
  const { pathname } = new URL(path, 'http://x');
  if (pathname === '/version') return json({ major: '1', minor: '32', gitVersion: 'v1.32.0' });
  if (pathname === '/api') return json({ kind: 'APIVersions', versions: ['v1'] });
  if (pathname === '/apis') return json({ kind: 'APIGroupList', apiVersion: 'v1', groups: groups() });
  // A document without definitions, as protobuf has it.
  if (pathname === '/openapi/v2') return { body: '' };
  const [name, kind] = KINDS[pathname] ?? [];
  if (name === undefined) return undefined;
  const resource = { name, kind, singularName: kind?.toLowerCase(), namespaced: true };
  const verbs = ['create', 'get', 'list', 'patch'];
  const groupVersion = pathname.replace(/^\/apis?\//, '');
  return json({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: [{ ...resource, verbs }],
  });
}

function groups(): readonly object[] {
  const named = Object.keys(KINDS).filter((path) => path.startsWith('/apis/'));
  return named.map((path) => {
    const [, , name, version] = path.split('/');
    const preferredVersion = { groupVersion: `${name}/${version}`, version };
    return { name, versions: [preferredVersion], preferredVersion };
  });
}

/** Puts an object there, or gives it. */
function kept({ method, path, headers, body }: Seen, objects: Map<string, KubernetesObject>): Answer {
  const { pathname } = new URL(path, 'http://x');
  if (method === 'POST') {
    const isProtobuf = headers['content-type']?.includes('protobuf') === true;
    const object = isProtobuf ? secretOf(body) : (JSON.parse(body.toString()) as KubernetesObject);
    objects.set(`${pathname}/${object.metadata.name}`, object);
    return json(object, 201);
  }
  const object = objects.get(pathname);
  if (object !== undefined) return json(object);
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };
  return json({ ...status, message: `${pathname} not found` }, 404);
}

/**
 * A secret in protobuf, as kubectl 1.32 sends it: behind four bytes a `runtime.Unknown` whose second field is a
 * `core/v1.Secret`.
 */
function secretOf(body: Buffer): KubernetesObject {
  const secret = fields(fields(body.subarray(4)).get(2)?.[0]);
  const [metadata] = secret.get(1) ?? [];
  const data = (secret.get(2) ?? []).map((entry) => {
    const [[key], [value]] = [fields(entry).get(1) ?? [], fields(entry).get(2) ?? []];
    return [`${key}`, value?.toString('base64')];
  });
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `${fields(metadata).get(1)?.[0]}` },
    data: Object.fromEntries(data),
    type: `${secret.get(3)?.[0]}`,
  };
}

/** The fields of a message by number, all of which have lengths. */
function fields(message: Buffer = Buffer.alloc(0)): ReadonlyMap<number, readonly Buffer[]> {
  const found = new Map<number, Buffer[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const number = varint() >> 3;
    const size = varint();
    found.set(number, [...(found.get(number) ?? []), message.subarray(at, at + size)]);
    at += size;
  }
  return found;
}
