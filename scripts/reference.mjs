// Writes the files that are made from the code: docs/api.md, the keys in docs/configuration.md, the schema.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTypeScript } from './load-typescript.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { referenceFiles } = await loadTypeScript('scripts/reference/files.ts');
for (const [path, text] of referenceFiles(root)) writeFileSync(join(root, path), text);
