// Makes folders that their owner may not enter, and removes them.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../../src/lib/remove-tree.ts';

const [above = ''] = process.argv.slice(2);
const folder = join(above, 'tree');
mkdirSync(join(folder, 'a/b'), { recursive: true });
writeFileSync(join(folder, 'a/b/c'), 'x');
for (const path of ['a/b', 'a', '.']) chmodSync(join(folder, path), 0);
await removeTree(folder);
process.stdout.write(String(existsSync(folder)));
