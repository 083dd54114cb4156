import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const HELLO = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n';

/** Builds the smallest program that Go makes: a static one that says hello. */
export function buildHello(folder: string): Buffer {
  mkdirSync(folder);
  writeFileSync(join(folder, 'go.mod'), 'module hello\n');
  writeFileSync(join(folder, 'main.go'), HELLO);
  const env = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '' };
  execFileSync('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', 'hello', '.'], { cwd: folder, env });
  return readFileSync(join(folder, 'hello'));
}

const CHUNK = 64_000_000;

/** Machine code to fill programs with: what Go's own tools and Node are made of. */
export function machineCode(): Buffer {
  const go = (name: string) => execFileSync('go', ['env', name], { encoding: 'utf8' }).trim();
  const tools = go('GOTOOLDIR');
  const files = [join(go('GOROOT'), 'bin/go'), ...readdirSync(tools).map((name) => join(tools, name))];
  const code: Buffer[] = [];
  let size = 0;
  for (const file of [...files, process.execPath]) {
    if (size >= CHUNK) break;
    code.push(readFileSync(file));
    size += code.at(-1)?.length ?? 0;
  }
  return Buffer.concat(code).subarray(0, CHUNK);
}

/** What the identity of a build comes after, in a note at the beginning of what Go links; other linkers have such a note, too. */
const NOTE = 'Go\0\0';

/** The same program as another build of it would begin. */
function rebuilt(hello: Buffer, salt: number): Buffer {
  const changed = Buffer.from(hello);
  const at = changed.indexOf(NOTE);
  if (at < 0) throw new Error('hello has no build ID');
  changed.write(`${salt}`.padStart(10, '0'), at + NOTE.length, 'latin1');
  return changed;
}

/**
 * Writes a program: hello, and then machine code up to its size, which compresses about as well as real programs do. Each
 * salt gives other content from one end to the other, and so does each copy of the code within a program, so that
 * nothing that was compressed or sent before is met again.
 * @param size in bytes; without one, hello and a few bytes
 */
export function writeProgram(
  path: string,
  { hello, code, size, salt }: { hello: Buffer; code: Buffer; size?: number; salt: number },
): void {
  const file = openSync(path, 'w', 0o755);
  try {
    let written = writeSync(file, rebuilt(hello, salt));
    written += writeSync(file, `salt ${salt}\n`);
    for (let copy = 0; size !== undefined && written < size; copy++) {
      const changed = Buffer.from(code);
      const step = 997;
      for (let at = (salt + copy * 31) % step; at < changed.length; at += step)
        changed.writeUInt8(((changed[at] ?? 0) + 1 + ((salt * 7 + copy) % 255)) % 256, at);
      written += writeSync(file, changed, 0, Math.min(changed.length, size - written));
    }
  } finally {
    closeSync(file);
  }
}
