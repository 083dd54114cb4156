import type { Command } from 'commander';
import { OcislimError } from '../lib/errors.ts';
import type { DocumentsRequest } from '../pack/documents.ts';
import { SBOM_FORMATS } from '../sbom/document.ts';
import { oneOf } from './one-of.ts';

interface DocumentSettings {
  readonly sbom?: string;
  readonly sbomDir?: string;
  readonly provenance?: boolean;
  readonly provenanceFile?: string;
}

/** Documents about the result: the options that `pack` and `build` share. */
export function documentOptions(command: Command): Command {
  return command
    .option(
      '--sbom <format>',
      'list what it is made of, and attach that: spdx | cyclonedx | none (default: none)',
    )
    .option('--sbom-dir <dir>', 'write the list there, too, as NAME.spdx.json or NAME.cdx.json')
    .option('--provenance', 'attach how it was made, as SLSA provenance')
    .option('--provenance-file <file>', 'write that there, too');
}

/** @throws OCISLIM_USAGE */
export function documentsOf(settings: DocumentSettings): DocumentsRequest | undefined {
  const { sbom, sbomDir, provenanceFile } = settings;
  const format =
    sbom === undefined && sbomDir !== undefined
      ? 'spdx'
      : oneOf('sbom', sbom ?? 'none', [...SBOM_FORMATS, 'none']);
  if (format === 'none' && sbomDir !== undefined)
    throw new OcislimError('OCISLIM_USAGE', '--sbom-dir: there is nothing to write with --sbom none');
  const provenance = settings.provenance ?? provenanceFile !== undefined;
  if (format === 'none' && !provenance) return undefined;
  return { sbom: format === 'none' ? undefined : format, sbomDir, provenance, provenanceFile };
}
