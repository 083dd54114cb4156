import type { Case } from '../model.ts';

/** Start-up alone. */
export const version: Case = {
  name: 'version',
  title: '`--version`',
  runs: 15,
  warmUps: 2,
  bars: [{ of: 'ocislim', what: 'time', against: 'node', atMost: 1.3 }],
  open: async (bench) => [
    { name: 'node', how: '`node -e 0`', commands: () => [{ argv: [bench.node, '-e', '0'] }] },
    ...bench.own.map(({ name, argv }) => ({
      name,
      how: '`--version`',
      commands: () => [{ argv: [...argv, '--version'] }],
    })),
    ...(['crane', 'buildah'] as const)
      .filter((peer) => bench.has(peer))
      .map((peer) => ({
        name: peer,
        how: peer === 'crane' ? '`version`' : '`--version`',
        commands: () => [{ argv: [peer, peer === 'crane' ? 'version' : '--version'] }],
      })),
  ],
};
