import { posix } from 'node:path';
import type { Node } from '../rootfs/tree.ts';
import { checkFile, findCommand } from './command.ts';
import { checkFacilities } from './facilities.ts';
import { checkFiles } from './files.ts';
import { type Finding, finding } from './finding.ts';
import { checkJava } from './java.ts';
import type { Subject } from './subject.ts';
import { type Identity, resolveUser } from './user.ts';

/**
 * Says whether a container of an image will start, and what it will lack while it runs. Reads nothing: everything is
 * in the image's configuration and the tables of contents of its layers.
 */
export async function checkImage(subject: Subject): Promise<readonly Finding[]> {
  const { config, tree, base } = subject;
  const user = resolveUser(config.User ?? '', tree, base);
  const command = findCommand(subject);
  const { node, path } = command;
  const identity = user.identity;
  return [
    ...command.findings,
    ...user.findings,
    ...(node && path ? await checkFile(path, node, subject, identity) : []),
    ...checkWorkdir(subject, identity),
    ...(node && path ? await checkProgram(path, node, subject, identity) : []),
    ...checkPorts(subject, identity),
    ...checkFiles(tree, subject.added),
  ];
}

async function checkProgram(
  path: string,
  node: Node,
  subject: Subject,
  identity: Identity | undefined,
): Promise<readonly Finding[]> {
  const { elf } = node.facts ?? {};
  if (posix.basename(path) === 'java') return checkJava(node, subject);
  if (elf === undefined) return [];
  return [...(await checkFacilities(path, elf, subject, identity)), ...checkDebug(path, node)];
}

/** Less is not worth a word. */
const DEBUG_FLOOR = 100_000;

function checkDebug(path: string, { facts, size }: Node): readonly Finding[] {
  const bytes = facts?.elf?.debugBytes ?? 0;
  if (bytes < DEBUG_FLOOR || bytes < size / 20) return [];
  const message = `${path} carries ${(bytes / 1e6).toFixed(1)} MB of symbols and debug data, of ${(size / 1e6).toFixed(1)} MB`;
  return [finding('debug-data', message, "strip it: `strip FILE`; with Go: go build -ldflags='-s -w'")];
}

/** Engines make a folder that is not there, with root as its owner. */
function checkWorkdir({ tree, config, base }: Subject, identity: Identity | undefined): readonly Finding[] {
  const folder = config.WorkingDir;
  if (!folder) return [];
  const node = tree.lookup(folder);
  if (node?.type === 'directory') return [];
  if (node !== undefined) {
    const message = `the working folder ${folder} is a file in ${base}`;
    return [{ ...finding('workdir-missing', message, 'choose another --workdir'), level: 'error' }];
  }
  const who =
    identity === undefined || identity.uid === 0 ? '' : `, where user ${identity.uid} may not write`;
  return [
    finding(
      'workdir-missing',
      `the working folder ${folder} is not in ${base}; engines make one that is root's${who}`,
      `put it there with --add FOLDER:${folder}, or choose another --workdir`,
    ),
  ];
}

function checkPorts({ config }: Subject, identity: Identity | undefined): readonly Finding[] {
  if (identity === undefined || identity.uid === 0) return [];
  const low = Object.keys(config.ExposedPorts ?? {}).filter((port) => Number.parseInt(port, 10) < 1024);
  if (low.length === 0) return [];
  return [
    finding(
      'privileged-port',
      `user ${identity.uid} may not listen on ${low.join(', ')} everywhere: ports below 1024 are root's, but for some engines`,
      'listen on a higher port, and publish it as the lower one: -p 80:8080',
    ),
  ];
}
