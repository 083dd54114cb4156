// Takes a lock some times over; a number in a file goes up by one each time, read and written with the lock held.
import { readFileSync, writeFileSync } from 'node:fs';
import { Locks } from '../../../src/store/locks.ts';

const [folder = '', file = '', times = '0'] = process.argv.slice(2);
const locks = new Locks(folder);
for (let at = 0; at < Number(times); at++) {
  const lock = await locks.acquire('counter');
  const count = Number(readFileSync(file, 'utf8'));
  // Others get their turn in between; without a lock they would read the same number.
  await new Promise((resolve) => setImmediate(resolve));
  writeFileSync(file, String(count + 1));
  await lock?.release();
}
