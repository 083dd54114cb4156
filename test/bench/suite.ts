import { writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { type Arguments, parseArguments, select, USAGE } from './arguments.ts';
import { cases } from './cases/index.ts';
import { inTurns } from './measure.ts';
import { type Found, findPeers, firstLine } from './peers.ts';
import { openBench } from './place.ts';
import { asDocument, asMarkdown, asText, isFailure, type Outcome, outcomeOf } from './report.ts';

/**
 * Measures the cases that arguments name, and reports on standard output.
 * @param root the folder of the package, which has been built
 * @returns the exit code
 */
export async function runSuite(root: string, args: readonly string[]): Promise<number> {
  const given = parseArguments(args, process.execPath);
  if (given.isHelp) {
    console.log(`${USAGE}\nCases:\n${cases.map(({ name, title }) => `  ${name}: ${title}`).join('\n')}`);
    return 0;
  }
  const chosen = select(cases, given.names);
  const found = findPeers(process.getuid?.() === 0);
  const machine = describeMachine(given, found);
  console.log(`${JSON.stringify(machine, undefined, 2)}\n`);
  for (const line of found.missing) console.log(`not measured: ${line}`);
  const bench = await openBench(root, given, new Set(found.peers.keys()));
  // Servers would outlive a suite that is ended.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => void bench.close().finally(() => process.exit(code)));
  const outcomes: Outcome[] = [];
  try {
    for (const each of chosen) {
      const runs = given.runs ?? each.runs;
      const outcome = outcomeOf(each, await inTurns({ ...each, runs }, await each.open(bench), bench.root));
      console.log(asText(outcome));
      outcomes.push(outcome);
    }
  } finally {
    await bench.close();
  }
  const { json, markdown } = given;
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify(asDocument(machine, outcomes), undefined, 2)}\n`);
  if (markdown !== undefined) writeFileSync(markdown, asMarkdown(outcomes));
  return outcomes.some(isFailure) ? 1 : 0;
}

function describeMachine({ node }: Arguments, { peers }: Found): Readonly<Record<string, unknown>> {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: totalmem(),
    kernel: release(),
    node: firstLine([node, '--version']),
    go: firstLine(['go', 'version']),
    peers: Object.fromEntries(peers),
  };
}
