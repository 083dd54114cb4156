import { publicUrl } from './secrets.ts';
import { LOCAL_BUILDER, type Material, type Run } from './statement.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What a CI system says of the run it is. */
export interface Ci {
  readonly name: 'github' | 'gitlab' | 'tekton';
  readonly run: Run;
  /** The commit that it runs for. */
  readonly source?: Material | undefined;
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The CI system that runs this, by the variables it sets: GitHub Actions ("Default environment variables"), GitLab
 * ("Predefined CI/CD variables"), and Tekton where its task passes them on, since it sets none by itself.
 */
export function ciOf(env: Env): Ci | undefined {
  if (env['GITHUB_ACTIONS'] === 'true') return github(env);
  if (env['GITLAB_CI'] === 'true') return gitlab(env);
  if (word(env['TEKTON_TASKRUN_UID']) !== undefined) return tekton(env);
  return undefined;
}

function github(env: Env): Ci {
  const server = publicUrl(env['GITHUB_SERVER_URL'] ?? '')?.replace(/\/$/, '');
  const repository = word(env['GITHUB_REPOSITORY']);
  const workflow = word(env['GITHUB_WORKFLOW_REF']);
  const [id, attempt] = [word(env['GITHUB_RUN_ID']), word(env['GITHUB_RUN_ATTEMPT'])];
  const home = server !== undefined && repository !== undefined ? `${server}/${repository}` : undefined;
  const invocation = home && id && `${home}/actions/runs/${id}${attempt ? `/attempts/${attempt}` : ''}`;
  return {
    name: 'github',
    run: {
      builder: server !== undefined && workflow !== undefined ? `${server}/${workflow}` : LOCAL_BUILDER,
      invocation: invocation || undefined,
    },
    source: sourceOf(home, word(env['GITHUB_REF']), env['GITHUB_SHA']),
  };
}

function gitlab(env: Env): Ci {
  const server = publicUrl(env['CI_SERVER_URL'] ?? '')?.replace(/\/$/, '');
  const runner = word(env['CI_RUNNER_ID']);
  const project = publicUrl(env['CI_PROJECT_URL'] ?? '');
  return {
    name: 'gitlab',
    run: {
      builder: server !== undefined && runner !== undefined ? `${server}/-/runners/${runner}` : LOCAL_BUILDER,
      invocation: publicUrl(env['CI_JOB_URL'] ?? ''),
    },
    source: sourceOf(project, word(env['CI_COMMIT_REF_NAME']), env['CI_COMMIT_SHA']),
  };
}

function tekton(env: Env): Ci {
  const names = ['TEKTON_NAMESPACE', 'TEKTON_TASKRUN_NAME', 'TEKTON_TASKRUN_UID'].map((key) =>
    word(env[key]),
  );
  const invocation = `urn:tekton:taskrun:${names.filter((name) => name !== undefined).join(':')}`;
  return { name: 'tekton', run: { builder: LOCAL_BUILDER, invocation } };
}

function sourceOf(
  home: string | undefined,
  ref: string | undefined,
  commit: string | undefined,
): Material | undefined {
  if (home === undefined || commit === undefined || !COMMIT.test(commit)) return undefined;
  return { name: 'repository', uri: gitUri(home, ref), digest: { gitCommit: commit } };
}

/** A repository as SPDX and SLSA name one: `git+https://…@refs/heads/main`. */
export function gitUri(url: string, ref?: string | undefined): string {
  return `git+${url.replace(/\.git$/, '')}${ref === undefined ? '' : `@${ref}`}`;
}

/** A variable's value, unless it is no plain word. */
function word(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w./@:+~-]{1,256}$/.test(text) ? text : undefined;
}
