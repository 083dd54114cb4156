import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';

/** What CycloneDX's own JSON schema of version 1.6 has against a document; the schemas are those of its library. */
export function cyclonedxErrors(document: unknown): readonly unknown[] {
  const library = createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json');
  const schema = (name: string) =>
    JSON.parse(readFileSync(join(dirname(library), 'res/schema', `${name}.SNAPSHOT.schema.json`), 'utf8'));
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  // They are referred to by their files' names.
  for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs'])
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  return ajv.validate(schema('bom-1.6'), document) ? [] : (ajv.errors ?? []);
}
