import type {
  Command,
  CopyInstruction,
  Dockerfile,
  FromInstruction,
  Heredoc,
  Instruction,
  Word,
} from '../../src/dockerfile/ast.ts';

/** A Dockerfile's stages as short lines, for tables. */
export function showDockerfile(file: Dockerfile): string[] {
  return [
    ...file.globals.map(showInstruction),
    ...file.stages.flatMap(({ from, instructions }) => [
      showFrom(from),
      ...instructions.map(showInstruction),
    ]),
  ];
}

function showFrom({ image, platform, name }: FromInstruction): string {
  return `FROM ${image.text}${name === undefined ? '' : ` AS ${name}`}${option('platform', platform)}`;
}

export function showInstruction(instruction: Instruction): string {
  const keyword = instruction.kind.toUpperCase();
  switch (instruction.kind) {
    case 'arg':
      return `ARG ${instruction.args.map(({ name, value }) => (value ? `${name.text}=${value.text}` : name.text)).join(' | ')}`;
    case 'env':
    case 'label': {
      const pairs = instruction.pairs.map(({ name, value }) => `${name.text}=${value.text}`);
      return `${keyword} ${pairs.join(' | ')}${instruction.isLegacy ? ' (legacy)' : ''}`;
    }
    case 'run':
      return `RUN ${showCommand(instruction.command)}${options('mount', instruction.mounts)}${option('network', instruction.network)}`;
    case 'cmd':
    case 'entrypoint':
      return `${keyword} ${showCommand(instruction.command)}`;
    case 'copy':
    case 'add':
      return `${keyword} ${showCopy(instruction)}`;
    case 'workdir':
    case 'user':
    case 'stopsignal':
    case 'maintainer':
      return `${keyword} ${instruction.value.text}`;
    case 'expose':
    case 'volume':
      return `${keyword} ${instruction.values.map(({ text }) => text).join(' | ')}`;
    case 'shell':
      return `SHELL ${JSON.stringify(instruction.args)}`;
    case 'healthcheck': {
      const { command, interval, timeout, startPeriod, startInterval, retries } = instruction;
      const numbers = Object.entries({ interval, timeout, startPeriod, startInterval, retries });
      const given = numbers
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => ` ${key}:${value}`);
      return `HEALTHCHECK ${command === undefined ? 'NONE' : showCommand(command)}${given.join('')}`;
    }
    case 'onbuild':
      return `ONBUILD (${showInstruction(instruction.instruction)}) ${JSON.stringify(instruction.trigger)}`;
  }
}

function showCommand(command: Command): string {
  if (command.form === 'exec') return JSON.stringify(command.args);
  return [`sh(${command.text})`, ...command.heredocs.map(showHeredoc)].join(' ');
}

function showHeredoc({ name, isExpanded, stripsTabs, descriptor, content }: Heredoc): string {
  const flags = [isExpanded ? '' : 'quoted', stripsTabs ? 'tabs' : '', descriptor ?? ''].filter(
    (it) => it !== '',
  );
  return `<<${[name, ...flags].join(',')}:${JSON.stringify(content)}`;
}

function showCopy(copy: CopyInstruction): string {
  const sources = copy.sources.map((source) => ('text' in source ? source.text : showHeredoc(source)));
  const { from, chown, chmod, checksum, exclude, link, parents, keepGitDir, unpack } = copy;
  const flags = Object.entries({ link, parents, keepGitDir }).filter(([, isSet]) => isSet);
  return [
    `${sources.join(' | ')} > ${copy.destination.text}`,
    option('from', from),
    option('chown', chown),
    option('chmod', chmod),
    option('checksum', checksum),
    options('exclude', exclude),
    ...flags.map(([name]) => ` ${name}`),
    unpack === undefined ? '' : ` unpack:${unpack}`,
  ].join('');
}

function option(name: string, word: Word | undefined): string {
  return word === undefined ? '' : ` ${name}:${word.text}`;
}

function options(name: string, words: readonly Word[]): string {
  return words.map((word) => option(name, word)).join('');
}
