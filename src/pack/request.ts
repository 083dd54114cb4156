import type { Platform } from '#oci-spec-types';
import type { Finding } from '../check/finding.ts';
import type { CheckLevel } from '../check/verdict.ts';
import type { ConfigChanges } from '../image/mutate.ts';
import type { CompressionChoice } from '../layer/compression.ts';
import type { SandboxName } from '../sandbox/choose.ts';
import type { Network } from '../sandbox/room.ts';
import type { Push } from './deliver.ts';
import type { DocumentsRequest } from './documents.ts';
import type { Signer } from './sign.ts';

/** How source is compiled. */
export interface CompileRequest {
  /** `host`, where to read an image, or `auto`: this machine where it has what it takes. */
  readonly toolchain: string;
  /** What compiling in an image may reach; default what the recipe needs. */
  readonly network?: Network | undefined;
  /** Which recipe, and which of a source's programs. */
  readonly recipe?: string | undefined;
  readonly bin?: string | undefined;
  /** A command in the place of a recipe, and what it makes. */
  readonly build?: string | undefined;
  readonly artifact?: string | undefined;
  /** Further variables for whatever compiles. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly link: 'static' | 'dynamic';
  readonly jlink: boolean;
  /** Whether what was compiled before, and what toolchains keep, is used. */
  readonly cache: boolean;
  readonly sandbox: SandboxName;
}

/** What `pack` is asked for: the command line's options, the project file's and the defaults, already merged. */
export interface PackRequest {
  /** Source, a program, a `.jar`, a `.zip`, or a pattern with `{os}`, `{arch}` and `{variant}`. */
  readonly path: string;
  readonly compile: CompileRequest;
  /** `static`, `scratch`, or where to read an image; default `static`, and for a jar an image with Java. */
  readonly base?: string | undefined;
  /** Names of the result; the first is the one shown. None: the program's name. */
  readonly tags: readonly string[];
  /** Where to write, as on the command line: `oci:DIR`, `docker-archive:FILE`, `-`… */
  readonly outputs: readonly string[];
  /** `by-digest`: to the repositories of `tags`, which get no tag. */
  readonly push: Push;
  readonly load: boolean;
  /** None: the program's own platform. */
  readonly platforms: readonly Platform[];
  /** Absolute path of the program in the image; a folder for a `.zip`. */
  readonly dest?: string | undefined;
  /** `SRC:DST[:MODE]`. */
  readonly add: readonly string[];
  readonly config: ConfigChanges;
  readonly annotations: Readonly<Record<string, string>>;
  readonly compression: CompressionChoice;
  /** Seconds since the epoch, for `created` and for every file. */
  readonly created: number;
  /** What becomes of a program that will not start. */
  readonly check: CheckLevel;
  /** Ids of rules whose findings are not told. */
  readonly ignore: readonly string[];
  /** Whether the program's shared libraries, authorities' certificates and time zones are added where the base lacks them. */
  readonly withLibs: boolean;
  readonly withCerts: boolean;
  readonly withTzdata: boolean;
  /** What libraries and time zones are taken from: `host`, or where to read an image; default where it was compiled. */
  readonly libsFrom?: string | undefined;
  /** Arguments with which the image is started before it is delivered; undefined: it is not. */
  readonly smoke?: readonly string[] | undefined;
  /** What signs the result, everywhere it goes that has a place for signatures. */
  readonly sign?: Signer | undefined;
  readonly dryRun: boolean;
  /** Documents about the result. */
  readonly documents?: DocumentsRequest | undefined;
}

export interface PackedLayer {
  readonly digest: string;
  readonly diffId: string;
  readonly mediaType: string;
  /** Bytes as stored and moved. */
  readonly size: number;
  readonly origin: 'base' | 'app';
}

export interface PackedPlatform {
  readonly platform: string;
  readonly digest: string;
  /** Digest of the config, which classic Docker shows as image ID. */
  readonly imageId: string;
  /** Bytes of manifest, config and layers. */
  readonly size: number;
  readonly layers: readonly PackedLayer[];
}

/** What `pack` made; the object that `--json` prints. */
export interface PackResult {
  readonly name: string;
  readonly names: readonly string[];
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes of all documents and distinct blobs. */
  readonly size: number;
  readonly platforms: readonly PackedPlatform[];
  readonly base: { readonly name: string; readonly digest?: string | undefined };
  readonly outputs: readonly { readonly type: string; readonly dest: string }[];
  /** Manifests of documents about it, and the manifest that each is about. */
  readonly attached?: readonly AttachedDocument[] | undefined;
  readonly check: readonly Finding[];
}

export interface AttachedDocument {
  readonly artifactType: string;
  readonly digest: string;
  readonly subject: string;
}
