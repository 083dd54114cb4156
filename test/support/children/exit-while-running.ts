// Exits while a program that it has started is running, and prints that program's number.
import { runProcess } from '../../../src/lib/process.ts';

const onLine = (line: string) => process.stdout.write(line, () => process.exit(0));
await runProcess(['sh', '-c', 'echo $$; exec sleep 60'], { env: { PATH: process.env['PATH'] }, onLine });
