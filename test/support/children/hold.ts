// Holds a lock, says so, and never lets go of it.
import { Locks } from '../../../src/store/locks.ts';

const [folder = '', name = ''] = process.argv.slice(2);
await new Locks(folder).acquire(name);
process.stdout.write('held\n');
setInterval(() => {}, 60_000);
