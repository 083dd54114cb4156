import { parseArgs } from 'node:util';

export interface Arguments {
  /** Names of cases as given; none means all. */
  readonly names: readonly string[];
  readonly runs?: number;
  readonly node: string;
  readonly standalone?: string;
  readonly json?: string;
  readonly markdown?: string;
  readonly isHelp: boolean;
}

export const USAGE = `npm run bench -- [options] [case…]

  A case is named in full, or by how its name begins: large is large, large-unchanged, large-archive…

  --runs N           runs of each contender (default: as many as the case has)
  --node PATH        the Node that runs ocislim (default: the one that runs this)
  --standalone PATH  a standalone executable of ocislim, as a further contender
  --json FILE        write all figures there
  --markdown FILE    write the tables of docs/performance.md there
  -h, --help         this

Exit code 1 when a bar is missed or ocislim fails, else 0.
`;

/**
 * @param node the Node of `--node` where that is not given
 * @throws TypeError for an unknown option (`parseArgs`), RangeError for a number of runs that is none
 */
export function parseArguments(args: readonly string[], node: string): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: 'string' },
      node: { type: 'string', default: node },
      standalone: { type: 'string' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { runs, standalone, json, markdown } = values;
  if (runs !== undefined && !/^[1-9]\d{0,3}$/.test(runs))
    throw new RangeError(`--runs ${runs}: not a number`);
  return {
    names: positionals,
    node: values.node,
    isHelp: values.help,
    ...(runs === undefined ? {} : { runs: Number(runs) }),
    ...(standalone === undefined ? {} : { standalone }),
    ...(json === undefined ? {} : { json }),
    ...(markdown === undefined ? {} : { markdown }),
  };
}

/**
 * Cases that names mean, in the order of the cases.
 * @throws RangeError for a name that means none
 */
export function select<Named extends { readonly name: string }>(
  cases: readonly Named[],
  names: readonly string[],
): readonly Named[] {
  const isMeant = (given: string, { name }: Named) => name === given || name.startsWith(`${given}-`);
  for (const name of names)
    if (!cases.some((each) => isMeant(name, each)))
      throw new RangeError(`no case ${name}; there are ${cases.map((each) => each.name).join(', ')}`);
  return names.length === 0 ? cases : cases.filter((each) => names.some((name) => isMeant(name, each)));
}
