/** Where something is in a Dockerfile; lines and columns count from 1, columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From its first character to the one after its last. */
export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/** A word as written, quotes, escapes and variables included: what it means is found by `expand.ts`. */
export interface Word {
  readonly text: string;
  readonly range: Range;
}

/** A here-document (Dockerfile reference § Here-Documents). */
export interface Heredoc {
  /** The delimiter without quotes, e.g. `EOF`. For COPY and ADD also the file's name. */
  readonly name: string;
  /** Whether variables in it are expanded: the delimiter is not quoted. */
  readonly isExpanded: boolean;
  /** `<<-`: leading tabs were dropped from `content` already. */
  readonly stripsTabs: boolean;
  /** File descriptor before `<<`, where there is one. */
  readonly descriptor?: number | undefined;
  /** The lines between, each with its end, as written but for tabs that are stripped. */
  readonly content: string;
  /** Of the `<<EOF` word. */
  readonly range: Range;
}

/** What CMD, ENTRYPOINT, RUN and HEALTHCHECK run. */
export type Command =
  | { readonly form: 'exec'; readonly args: readonly string[] }
  /** `text` is passed to the shell as it is, continuations joined; here-documents of RUN are not in it but follow. */
  | { readonly form: 'shell'; readonly text: string; readonly heredocs: readonly Heredoc[] };

interface Common {
  /** Of the whole instruction, here-documents included. */
  readonly range: Range;
  /** The instruction in one line as history shows it: comments gone, continuations joined, keyword in capitals. */
  readonly source: string;
}

export interface Pair {
  readonly name: Word;
  readonly value: Word;
}

export interface FromInstruction extends Common {
  readonly kind: 'from';
  readonly image: Word;
  readonly platform?: Word | undefined;
  /** In lower case. */
  readonly name?: string | undefined;
}

export interface ArgInstruction extends Common {
  readonly kind: 'arg';
  readonly args: readonly { readonly name: Word; readonly value?: Word | undefined }[];
}

export interface PairsInstruction extends Common {
  readonly kind: 'env' | 'label';
  readonly pairs: readonly Pair[];
  /** Written `ENV name value`: one pair, whose value is the rest of the line. */
  readonly isLegacy?: boolean | undefined;
}

export interface RunInstruction extends Common {
  readonly kind: 'run';
  readonly command: Command;
  /** Values of `--mount`, each a list such as `type=cache,target=/root/.cache`; see `parseMount`. */
  readonly mounts: readonly Word[];
  readonly network?: Word | undefined;
}

export interface CopyInstruction extends Common {
  readonly kind: 'copy' | 'add';
  readonly sources: readonly (Word | Heredoc)[];
  readonly destination: Word;
  /** `COPY` alone. */
  readonly from?: Word | undefined;
  readonly chown?: Word | undefined;
  readonly chmod?: Word | undefined;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly Word[];
  /** `ADD` alone. */
  readonly checksum?: Word | undefined;
  readonly keepGitDir: boolean;
  /** `ADD` alone; undefined where it is not said. */
  readonly unpack?: boolean | undefined;
}

export interface CommandInstruction extends Common {
  readonly kind: 'cmd' | 'entrypoint';
  readonly command: Command;
}

/** One value, expanded: WORKDIR, USER, STOPSIGNAL, MAINTAINER. */
export interface ValueInstruction extends Common {
  readonly kind: 'workdir' | 'user' | 'stopsignal' | 'maintainer';
  readonly value: Word;
}

/** Several values, each expanded: EXPOSE, VOLUME. */
export interface ListInstruction extends Common {
  readonly kind: 'expose' | 'volume';
  readonly values: readonly Word[];
}

export interface ShellInstruction extends Common {
  readonly kind: 'shell';
  readonly args: readonly string[];
}

export interface HealthcheckInstruction extends Common {
  readonly kind: 'healthcheck';
  /** Undefined for `NONE`. */
  readonly command: Command | undefined;
  /** In nanoseconds, as image configs have them; 0 or undefined is inherited. */
  readonly interval?: number | undefined;
  readonly timeout?: number | undefined;
  readonly startPeriod?: number | undefined;
  readonly startInterval?: number | undefined;
  readonly retries?: number | undefined;
}

export interface OnbuildInstruction extends Common {
  readonly kind: 'onbuild';
  /** The trigger as written after ONBUILD, in one line, here-documents included: parsed anew where it fires. */
  readonly trigger: string;
  /** The same, parsed, so that errors are found here. */
  readonly instruction: Instruction;
}

/** Everything that stands in a stage after its FROM. */
export type Instruction =
  | ArgInstruction
  | PairsInstruction
  | RunInstruction
  | CopyInstruction
  | CommandInstruction
  | ValueInstruction
  | ListInstruction
  | ShellInstruction
  | HealthcheckInstruction
  | OnbuildInstruction;

export interface Stage {
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

/** Something legal that is likely a mistake; ids as in Docker's build checks, e.g. `StageNameCasing`. */
export interface Warning {
  readonly rule: string;
  readonly message: string;
  readonly range: Range;
}

/** What `# check=` says. */
export interface CheckDirective {
  /** Rules that are not looked at; `all` among them means every one. */
  readonly skip: readonly string[];
  /** Whether a warning fails the build. */
  readonly isError: boolean;
}

export interface Dockerfile {
  /** How messages name it. */
  readonly name: string;
  /** Without a byte order mark, so that positions are those in it. */
  readonly text: string;
  /** `\` or a backtick. */
  readonly escape: string;
  /** As `# syntax=` gives it; never fetched or run. */
  readonly syntax?: string | undefined;
  readonly check?: CheckDirective | undefined;
  /** ARGs before the first FROM. */
  readonly globals: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
}
