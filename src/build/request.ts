import type { Readable } from 'node:stream';
import type { Platform } from '#oci-spec-types';
import type { CheckLevel } from '../check/verdict.ts';
import type { CompressionChoice } from '../layer/compression.ts';
import type { DocumentsRequest } from '../pack/documents.ts';
import type { Signer } from '../pack/sign.ts';
import type { SandboxName } from '../sandbox/choose.ts';
import type { Network } from '../sandbox/room.ts';

/** What `build` is asked for: the command line's options and the defaults, already merged. */
export interface BuildRequest {
  /** A folder, `-` for a tar or a Dockerfile on standard input, or the URL of a git repository. */
  readonly context: string;
  /** Path of the Dockerfile, `-` for standard input; default `Dockerfile` in the context. */
  readonly file?: string | undefined;
  /** The Dockerfile's text, in the place of the file's. */
  readonly text?: string | undefined;
  /** Standard input, read where `context` or `file` say so. */
  readonly input: Readable;
  readonly target?: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** What names in FROM, `COPY --from` and `RUN --mount=from` stand for: a folder, or where to read an image. */
  readonly contexts: ReadonlyMap<string, string>;
  readonly secrets: readonly SecretSource[];
  /** Sockets of ssh agents by id. */
  readonly ssh: ReadonlyMap<string, string>;
  /** Names of the result; the first is the one shown. None: the folder's name. */
  readonly tags: readonly string[];
  readonly outputs: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
  /** None: this machine's. */
  readonly platforms: readonly Platform[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly compression: CompressionChoice;
  /** Seconds since the epoch, for `created`, and for every file that is newer. */
  readonly created: number;
  /** Whether all that the build adds becomes one layer. */
  readonly squash: boolean;
  readonly network: Network;
  /** Whether results of steps that were made before are used. */
  readonly cache: boolean;
  /** Whether commands get no cache but those that they ask for. */
  readonly hermetic: boolean;
  /** Stages, by name or number, whose steps are made anew. */
  readonly noCache: readonly string[];
  /** Where results of steps are read from, and written to, as given. */
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  readonly sandbox: SandboxName;
  readonly check: CheckLevel;
  readonly ignore: readonly string[];
  readonly smoke?: readonly string[] | undefined;
  /** What signs the result, everywhere it goes that has a place for signatures. */
  readonly sign?: Signer | undefined;
  /** Whether a shell opens where a RUN failed. */
  readonly debugShell: boolean;
  /** Documents about the result. */
  readonly documents?: DocumentsRequest | undefined;
}

/** `--secret id=ID,src=FILE` or `id=ID,env=NAME`. */
export interface SecretSource {
  readonly id: string;
  /** Where its bytes are: a file, or a variable of this process. */
  readonly from: 'file' | 'env';
  readonly name: string;
}
