import { type Command, Option } from 'commander';
import { collect } from './options.ts';

/** What an image is made of and how it starts: the options that `pack` and `check` share. */
export function imageOptions(command: Command): Command {
  return command
    .option('--toolchain <where>', 'where source is compiled: auto | host | IMAGE (default: auto)')
    .option('--recipe <name>', 'how it is compiled, where a source fits several')
    .option('--bin <name>', "which of a source's programs")
    .option('--build <command>', "a command in the place of the recipe's")
    .option('--artifact <path>', 'what --build makes, in the source')
    .option('--build-env <key=value>', 'variable for whatever compiles; repeatable', collect)
    .option('--link <how>', 'static | dynamic (default: static; for C, C++ and Rust)')
    .option('--jlink', 'with a Java runtime of just the modules that it needs')
    .option(
      '--network <mode>',
      'what compiling in an image may reach: none | host (default: what the recipe needs)',
    )
    .option('--no-cache', 'compile anew')
    .option('--sandbox <driver>', 'what keeps compiling in: auto | bubblewrap | proot (default: auto)')
    .option(
      '--base <ref>',
      'static (embedded) | scratch | image | oci:DIR | oci-archive:FILE | docker-archive:FILE | store:NAME (default: static; for a .jar an image with Java)',
    )
    .option('--platform <list>', "linux/amd64,linux/arm64… (default: the program's own)")
    .option(
      '--dest <path>',
      'path in the image (default: /usr/local/bin/NAME; of a .jar or .zip the folder /app)',
    )
    .option('--add <src:dst[:mode]>', 'another file or folder; repeatable', collect)
    .option('--with-libs', "bring the program's shared libraries along, where the base lacks them")
    .option('--with-certs', "bring authorities' certificates along, where the base lacks them")
    .option('--with-tzdata', 'bring time zones along, where the base lacks them')
    .option(
      '--libs-from <ref>',
      'where libraries and time zones are taken from: host, or an image (default: host)',
    )
    .option('--entrypoint <command>', 'one word or a JSON array (default: the program)')
    .option('--cmd <arguments>', 'default arguments: one word or a JSON array')
    .option('-e, --env <key=value>', 'environment variable; repeatable', collect)
    .option('-u, --user <user[:group]>', 'who runs it')
    .option('-w, --workdir <path>', 'where it runs')
    .option('--expose <port[/protocol]>', 'port it listens on; repeatable', collect)
    .option('--offline', 'use nothing from the network')
    .option('--locked', 'refuse images that ocislim.lock does not pin')
    .addOption(
      new Option(
        '--check <level>',
        'what to do about a program that will not start (default: error)',
      ).choices(['error', 'warn', 'off']),
    )
    .option('--check-ignore <rule>', 'a rule whose findings do not matter here; repeatable', collect);
}

/** What else is written into an image: the options that `pack` and `verify --rebuild` share. */
export function recordOptions(command: Command): Command {
  return command
    .option('-l, --label <key=value>', 'label; repeatable', collect)
    .option('--annotation <key=value>', 'annotation of the manifest; repeatable', collect)
    .option('--volume <path>', 'path for a volume; repeatable', collect)
    .option('--stop-signal <signal>', 'signal that asks it to stop')
    .option('--compression <kind[:level]>', 'gzip | zstd | none (default: gzip)')
    .option('--created <time>', 'RFC 3339, seconds, or now (default: SOURCE_DATE_EPOCH, else 1970)');
}
