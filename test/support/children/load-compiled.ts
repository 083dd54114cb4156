// Loads a CommonJS file through the cache of compiled code, and prints what its `answer` gives.
import { loadCompiled } from '../../../src/lib/compile-cache.ts';

const [file = '', build, folder] = process.argv.slice(2);
const { answer } = loadCompiled(file, build, folder) as { answer(): unknown };
process.stdout.write(String(answer()));
