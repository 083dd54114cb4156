import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type Ran, run } from './cli.ts';
import { tempDir } from './temp.ts';

interface Step {
  readonly id?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly 'working-directory'?: string;
}

interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string; readonly required?: boolean }>>;
  readonly outputs: Readonly<Record<string, { readonly value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

/** What an action did: its outputs, the other actions it called, and the step that failed, if one did. */
export interface ActionRan {
  readonly outputs: Readonly<Record<string, string>>;
  readonly used: readonly string[];
  readonly failed: Ran | undefined;
}

/**
 * Runs the `run` steps of a composite action as GitHub's runner does: inputs with their defaults, expressions of
 * `inputs` and `steps.ID.outputs` (all that it knows), bash's flags, `GITHUB_OUTPUT`. Other actions are only noted.
 */
export async function runCompositeAction(
  file: string,
  given: Readonly<Record<string, string>>,
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<ActionRan> {
  const action = parse(readFileSync(file, 'utf8')) as Action;
  if (action.runs.using !== 'composite') throw new Error('no composite action');
  const values = new Map<string, string>();
  for (const [name, { default: usual, required }] of Object.entries(action.inputs)) {
    const value = given[name] ?? usual;
    if (value === undefined || (required && given[name] === undefined)) throw new Error(`input ${name}?`);
    values.set(`inputs.${name}`, value);
  }
  for (const name of Object.keys(given))
    if (!values.has(`inputs.${name}`)) throw new Error(`no input ${name}`);
  const temp = tempDir();
  const used: string[] = [];
  for (const [at, step] of action.runs.steps.entries()) {
    if (step.if !== undefined && !holds(step.if, values)) continue;
    if (step.uses !== undefined) used.push(step.uses);
    if (step.run === undefined) continue;
    if (step.shell !== 'bash') throw new Error(`step ${at}: a composite action names its shell`);
    // Expanded into a script, an input would be code.
    if (step.run.includes('${{')) throw new Error(`step ${at}: an expression in a script`);
    const script = join(temp, `${at}.sh`);
    const output = join(temp, `${at}.output`);
    writeFileSync(script, step.run);
    writeFileSync(output, '');
    const own = Object.entries(step.env ?? {}).map(([name, value]) => [name, filled(value, values)]);
    const ran = await run('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], {
      cwd: join(cwd, filled(step['working-directory'] ?? '.', values)),
      env: { ...env, ...Object.fromEntries(own), GITHUB_OUTPUT: output, RUNNER_TEMP: temp },
    });
    if (ran.code !== 0) return { outputs: {}, used, failed: ran };
    for (const line of readFileSync(output, 'utf8').split('\n').filter(Boolean)) {
      const equals = line.indexOf('=');
      values.set(`steps.${step.id}.outputs.${line.slice(0, equals)}`, line.slice(equals + 1));
    }
  }
  const outputs = Object.entries(action.outputs).map(([name, { value }]) => [name, filled(value, values)]);
  return { outputs: Object.fromEntries(outputs), used, failed: undefined };
}

function filled(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$\{\{ ([\w.-]+) \}\}/g, (_, name: string) => valueNamed(name, values));
}

function holds(condition: string, values: ReadonlyMap<string, string>): boolean {
  const found = /^([\w.-]+) (==|!=) '([^']*)'$/.exec(condition);
  if (found === null) throw new Error(`if: ${condition}?`);
  const [, name = '', operator, value] = found;
  return (valueNamed(name, values) === value) === (operator === '==');
}

/** What no step has set is empty; what is neither an input nor an output of a step is a mistake. */
function valueNamed(name: string, values: ReadonlyMap<string, string>): string {
  const value = values.get(name);
  if (value === undefined && !name.startsWith('steps.')) throw new Error(`${name}?`);
  return value ?? '';
}
