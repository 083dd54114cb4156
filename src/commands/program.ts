import { Command, type CommanderError, Option } from 'commander';
import { OcislimError } from '../lib/errors.ts';
import { VERSION } from '../version.ts';
import { buildCommand } from './build.ts';
import { cacheCommand } from './cache.ts';
import { checkCommand } from './check.ts';
import { completionCommand } from './completion.ts';
import { copyCommand } from './copy.ts';
import { doctorCommand } from './doctor.ts';
import { explainCommand } from './explain.ts';
import { imagesCommand } from './images.ts';
import { indexCommand } from './index-create.ts';
import { inspectCommand } from './inspect.ts';
import { keygenCommand } from './keygen.ts';
import { lockCommand } from './lock.ts';
import { loginCommand, logoutCommand } from './login.ts';
import { collect } from './options.ts';
import { outdatedCommand } from './outdated.ts';
import { packCommand } from './pack.ts';
import { pullCommand } from './pull.ts';
import { pushCommand } from './push.ts';
import { rebaseCommand } from './rebase.ts';
import { rmiCommand } from './rmi.ts';
import { runCommand } from './run.ts';
import { sbomCommand } from './sbom.ts';
import { serveCommand } from './serve.ts';
import { signCommand } from './sign.ts';
import { slimCommand } from './slim.ts';
import { tagCommand } from './tag.ts';
import { verifyCommand } from './verify.ts';

const EXAMPLES = `
Examples:
  ocislim pack ./hello                                    a static program on the embedded base: ./hello.oci
  ocislim pack ./hello --base alpine -t ghcr.io/me/hello:1 --push
  ocislim pack ./hello -o hello.tar && docker load -i hello.tar
  ocislim pack app.jar --base eclipse-temurin:21-jre      a Java program, in layers where Spring Boot made it
  ocislim check ./hello --base alpine                     will it start there? and why not
  ocislim pack './dist/hello-{os}-{arch}' -t me/hello:1 --push
`;

const COMMANDS = {
  pack: packCommand,
  build: buildCommand,
  slim: slimCommand,
  check: checkCommand,
  pull: pullCommand,
  push: pushCommand,
  copy: copyCommand,
  inspect: inspectCommand,
  explain: explainCommand,
  sbom: sbomCommand,
  images: imagesCommand,
  tag: tagCommand,
  rmi: rmiCommand,
  index: indexCommand,
  login: loginCommand,
  logout: logoutCommand,
  cache: cacheCommand,
  doctor: doctorCommand,
  run: runCommand,
  lock: lockCommand,
  outdated: outdatedCommand,
  serve: serveCommand,
  rebase: rebaseCommand,
  keygen: keygenCommand,
  sign: signCommand,
  verify: verifyCommand,
} satisfies Record<string, (signal: AbortSignal) => Command>;

/**
 * The whole command line; actions load their code only when they run. Where `asked`, the first word, names a command, it
 * is the only one, since making all of them takes longer than many a command.
 */
export function createProgram(signal: AbortSignal, asked = ''): Command {
  const program = new Command('ocislim')
    .description(
      'Puts a compiled program on a small base and writes an OCI image: no Docker, no daemon, no root.',
    )
    .version(VERSION, '-V, --version')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .helpCommand(true)
    .enablePositionalOptions();
  for (const [name, create] of Object.entries(COMMANDS))
    if (name === asked || !Object.hasOwn(COMMANDS, asked)) program.addCommand(create(signal));
  program.addCommand(completionCommand(program));
  everyCommand(program, (command) => {
    addGlobalOptions(command);
    command.exitOverride(asUsageError).configureOutput({ writeErr: () => {}, outputError: () => {} });
  });
  return program;
}

/** Every command takes them, so that they can stand before its name and after it. */
function addGlobalOptions(command: Command): void {
  const own = new Set(command.options.flatMap(({ long, short }) => [long, short]));
  command.optionsGroup('Global options:');
  for (const option of globalOptions()) {
    if (own.has(option.long)) continue;
    // `run -v` is a volume.
    const isTaken = option.short !== undefined && own.has(option.short);
    command.addOption(isTaken ? new Option(`${option.long}`, option.description) : option);
  }
}

function globalOptions(): readonly Option[] {
  return [
    new Option('--config <file>', 'project file (default: ocislim.toml here or above)'),
    new Option('--store <dir>', 'local store (default: OCISLIM_HOME, else the XDG data folder)'),
    new Option('--mirror <registry=url>', 'read images of a registry from there first; repeatable').argParser(
      collect,
    ),
    new Option(
      '--insecure <registry>',
      'allow plain HTTP or an unknown certificate for it; repeatable',
    ).argParser(collect),
    new Option('--ca-file <file>', 'more certificates of authorities to trust, PEM'),
    new Option('--json', 'print one JSON object'),
    new Option('-q, --quiet', 'print the result alone'),
    new Option('-v, --verbose', 'say more; show where errors come from'),
    new Option('--progress <mode>', 'how to show progress').choices(['auto', 'plain', 'json', 'none']),
  ];
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}

/** commander's complaint as one of ours; asking for help or the version is no complaint. */
function asUsageError(error: CommanderError): void {
  if (error.exitCode === 0) return;
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = rest.map((line) => line.replace(/^\((.*)\)$/, '$1')).find((line) => line !== '');
  throw new OcislimError('OCISLIM_USAGE', first, { hint: suggestion ?? 'see ocislim --help' });
}
