// Runs a command in each driver that is named, and prints how each run went.
import { drivers, probeDriver } from '../../../src/sandbox/choose.ts';
import type { Order, Room } from '../../../src/sandbox/room.ts';
import { runInRoom } from '../../../src/sandbox/start.ts';

const [folder = '', request = ''] = process.argv.slice(2);
const { room, order, abortOn, only } = JSON.parse(request) as {
  room: Room;
  order: Order;
  abortOn?: string;
  only: string;
};

let count = 0;
const place = async () => `${folder}/run-${process.pid}-${count++}`;
for (const driver of drivers().filter(({ name }) => name.startsWith(only))) {
  const controller = new AbortController();
  const { signal } = controller;
  const { works, why } = await probeDriver(driver, { place, memo: '', signal });
  const row = { driver: driver.title, works, why };
  if (!works) {
    console.log(JSON.stringify(row));
    continue;
  }
  let output = '';
  const onOutput = (chunk: Buffer) => {
    output += chunk.toString();
    if (abortOn !== undefined && output.includes(abortOn)) controller.abort(new Error('stopped'));
  };
  const exit = await runInRoom(driver, room, order, { folder: await place(), signal, onOutput }).catch(
    (error: unknown) => ({ error: String(error) }),
  );
  console.log(JSON.stringify({ ...row, ...exit, output }));
}
