import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { writeBaseLayout } from '../support/bases.ts';
import { must, type Ran, root, run, succeeded } from '../support/cli.ts';
import { type DockerRegistry, HTPASSWD, startRegistry } from '../support/docker-registry.ts';
import { type DockerEngine, startDocker } from '../support/engines.ts';
import { npxFolder } from '../support/npx.ts';
import { asRoot, describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';
import { debianWith } from '../support/toolchains.ts';
import { openTempDir } from '../support/users.ts';

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  readonly seccompProfile?: { readonly type: string };
}

interface Container {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly script?: string;
  readonly workingDir: string;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly securityContext: SecurityContext;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
}

interface Volume {
  readonly name: string;
  readonly emptyDir?: object;
  readonly secret?: { readonly items: readonly { readonly key: string; readonly path: string }[] };
}

/**
 * A security context as docker's options. Docker's own seccomp profile is what RuntimeDefault means there.
 * @throws where it is not what the "restricted" pod security standard asks for
 */
function confinement(context: SecurityContext): readonly string[] {
  const { runAsUser, runAsGroup, capabilities = {} } = context;
  const isRestricted =
    context.runAsNonRoot === true &&
    context.allowPrivilegeEscalation === false &&
    context.seccompProfile?.type === 'RuntimeDefault' &&
    capabilities.drop?.includes('ALL') === true &&
    capabilities.add === undefined;
  if (!isRestricted || !runAsUser || context.readOnlyRootFilesystem !== true)
    throw new Error(`not confined: ${JSON.stringify(context)}`);
  return [
    ...['--user', `${runAsUser}:${runAsGroup}`, '--read-only'],
    ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
  ];
}

describeWithPeers(
  'a pod without privileges',
  ['docker', 'dockerd', 'docker-registry'],
  () => {
    let registry: DockerRegistry;
    let docker: DockerEngine;
    let npx: string;
    /** What `kubectl create secret docker-registry` puts under `.dockerconfigjson`. */
    let dockerconfig: string;

    beforeAll(async () => {
      const htpasswd = join(tempDir(), 'htpasswd');
      writeFileSync(htpasswd, HTPASSWD);
      registry = await startRegistry({ htpasswd });
      dockerconfig = JSON.stringify({ auths: { [registry.host]: { auth: btoa('me:right') } } });
      docker = await startDocker();
      npx = npxFolder('/ocislim-under-test/bin/ocislim.js');
      const folder = tempDir();
      writeBaseLayout(join(folder, 'node'), debianWith(['nodejs']));
      const options = { cwd: folder, env: { OCISLIM_HOME: tempDir() } };
      await succeeded(['copy', 'oci:node', 'docker-archive:node.tar:node:1'], options);
      await docker.docker(['load', '-q', '-i', join(folder, 'node.tar')]);
    }, 300_000);
    afterAll(async () => {
      await registry?.stop();
      await docker?.stop();
    });

    /** Starts a container as its pod says, but for the network, which is the host's, and npm's registry. */
    function start(
      container: Container,
      mounts: readonly string[],
      command: readonly string[],
    ): Promise<Ran> {
      const env = container.env.flatMap(({ name, value }) => ['-e', `${name}=${value}`]);
      const own = [`${npx}:/npx:ro`, `${root}:/ocislim-under-test:ro`];
      const args = [
        ...['run', '--rm', '--network', 'host', ...confinement(container.securityContext)],
        ...[...env, '-e', 'PATH=/npx:/usr/bin:/bin', '-w', container.workingDir],
        ...[...own, ...mounts].flatMap((mount) => ['-v', mount]),
        'node:1',
      ];
      return run('docker', [...args, ...command], { env: docker.env });
    }

    const startedFrom = async (name: string) => {
      const config = tempDir();
      writeFileSync(join(config, 'config.json'), dockerconfig);
      const env = { ...docker.env, DOCKER_CONFIG: config };
      return must('docker', ['run', '--rm', '--network', 'none', name], { env });
    };

    /** A secret's folder, as everybody in a pod may read it. */
    function secretFolder(file: string): string {
      const folder = openTempDir();
      writeFileSync(join(folder, file), dockerconfig, { mode: 0o644 });
      chmodSync(folder, 0o755);
      return folder;
    }

    it('packs and pushes as the Kubernetes job says', async () => {
      const { spec } = parse(readFileSync(join(root, 'integrations/kubernetes/job.yaml'), 'utf8')) as {
        spec: {
          template: {
            spec: {
              securityContext: SecurityContext;
              containers: readonly Container[];
              initContainers: readonly Container[];
              volumes: readonly Volume[];
            };
          };
        };
      };
      const pod = spec.template.spec;
      const [container] = pod.containers;
      const [source] = pod.initContainers;
      if (container === undefined || source === undefined) throw new Error('no container');
      const securityContext = { ...pod.securityContext, ...container.securityContext };
      expect(confinement({ ...pod.securityContext, ...source.securityContext })).toContain('--read-only');
      const name = `${registry.host}/me/job:1`;
      const folders = new Map(
        pod.volumes.map(({ name, emptyDir, secret }) => {
          if (emptyDir !== undefined) return [name, openTempDir()];
          const [item] = secret?.items ?? [];
          expect(item?.key).toBe('.dockerconfigjson');
          return [name, secretFolder(item?.path ?? '')];
        }),
      );
      // What the first container would have brought.
      copyFileSync(join(root, 'testdata/hello'), join(folders.get('work') ?? '', 'hello'));
      const mounts = container.volumeMounts.map(
        ({ name, mountPath, readOnly }) => `${folders.get(name)}:${mountPath}${readOnly ? ':ro' : ''}`,
      );
      const args = (container.args ?? []).map((word) =>
        word === 'registry.example.com/me/hello:1' ? name : word,
      );
      const ran = await start({ ...container, securityContext }, mounts, [
        ...(container.command ?? []),
        ...args,
      ]);
      expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
      expect(ran.stdout).toContain(`${name}@sha256:`);
      expect(await startedFrom(name)).toBe('hello world\n');
    });

    it.each([
      ['with credentials', true],
      ['without', false],
    ])('packs and pushes as the Tekton task says, %s', async (_, hasCredentials) => {
      const { spec } = parse(readFileSync(join(root, 'integrations/tekton/ocislim-pack.yaml'), 'utf8')) as {
        spec: {
          params: readonly { name: string; default?: string | string[] }[];
          steps: readonly Container[];
          volumes: readonly Volume[];
          results: readonly { name: string }[];
        };
      };
      const [step] = spec.steps;
      if (step === undefined) throw new Error('no step');
      const image = `${registry.host}/me/task:1`;
      const values: Record<string, string> = {
        'workspaces.source.path': '/workspace/source',
        // Empty where an optional workspace is not given.
        'workspaces.dockerconfig.path': hasCredentials ? '/workspace/dockerconfig' : '',
        ...Object.fromEntries(
          spec.params.flatMap(({ name, default: usual }) =>
            typeof usual === 'string' ? [[`params.${name}`, usual]] : [],
          ),
        ),
        ...Object.fromEntries(
          spec.results.map(({ name }) => [`results.${name}.path`, `/tekton/results/${name}`]),
        ),
        'params.image': image,
        'params.path': './hello',
      };
      const filled = (text: string) =>
        text.replace(/\$\(((?:params|workspaces|results)\.[\w.]+)\)/g, (_, name: string) => {
          const value = values[name];
          if (value === undefined) throw new Error(`${name}?`);
          return value;
        });
      const [source, results, script] = [openTempDir(), openTempDir(), openTempDir()];
      copyFileSync(join(root, 'testdata/hello'), join(source, 'hello'));
      writeFileSync(join(script, 'script'), filled(step.script ?? ''), { mode: 0o755 });
      const mounts = [
        `${source}:/workspace/source`,
        `${results}:/tekton/results`,
        `${script}:/tekton/scripts:ro`,
        ...(hasCredentials ? [`${secretFolder('config.json')}:/workspace/dockerconfig:ro`] : []),
        ...step.volumeMounts.map(({ mountPath }) => `${openTempDir()}:${mountPath}`),
      ];
      const env = step.env.map(({ name, value }) => ({ name, value: filled(value) }));
      const args = (step.args ?? []).flatMap((word) =>
        word === '$(params.options[*])' ? ['--label', 'org.example.words=two words'] : [filled(word)],
      );
      const container = { ...step, env, workingDir: filled(step.workingDir) };
      const ran = await start(container, mounts, ['/tekton/scripts/script', ...args]);
      if (!hasCredentials) {
        expect([ran.code, ran.stderr]).toEqual([5, expect.stringContaining('no credentials found')]);
        return;
      }
      expect([ran.code, ran.stderr]).toEqual([0, expect.anything()]);
      const digest = readFileSync(join(results, 'IMAGE_DIGEST'), 'utf8');
      expect(ran.stdout).toContain(`${image}@${digest}`);
      expect(readFileSync(join(results, 'IMAGE_URL'), 'utf8')).toBe(image);
      expect(await startedFrom(`${registry.host}/me/task@${digest}`)).toBe('hello world\n');
    });
  },
  asRoot,
);
