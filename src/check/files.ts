import type { Node, Tree } from '../rootfs/tree.ts';
import { type Finding, finding } from './finding.ts';

/** As many paths as a message shows. */
const SHOWN = 5;

/** Says which files give anyone more rights than they have, or may be changed by anyone. */
export function checkFiles(tree: Tree, added: readonly string[] | undefined): readonly Finding[] {
  const nodes =
    added === undefined ? tree.all() : added.map((path) => tree.lookup(path, { followLast: false }));
  const [raising, open]: [Node[], Node[]] = [[], []];
  for (const node of nodes) {
    if (node?.type === 'file' && (node.mode & 0o6000) !== 0 && (node.mode & 0o111) !== 0) raising.push(node);
    // A sticky folder, such as /tmp, is meant to be so.
    const isOpen = node?.type === 'file' || (node?.type === 'directory' && (node.mode & 0o1000) === 0);
    if (isOpen && (node.mode & 0o002) !== 0) open.push(node);
  }
  const findings: Finding[] = [];
  if (raising.length > 0) {
    findings.push(
      finding(
        'setuid',
        `${listed(raising)} run with their owner's rights (setuid or setgid)`,
        'take the bit away where it is not needed: chmod u-s,g-s',
      ),
    );
  }
  if (open.length > 0)
    findings.push(finding('world-writable', `anyone may write to ${listed(open)}`, 'chmod o-w'));
  return findings;
}

function listed(nodes: readonly Node[]): string {
  const shown = nodes.slice(0, SHOWN).map(({ path }) => `/${path}`);
  const more = nodes.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}
