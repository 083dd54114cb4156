import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Two projects: the hermetic suite (loopback only), and the end-to-end suite that runs the built command against real registries
// and engines.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          setupFiles: ['test/support/setup.ts'],
          // Files share a process and what is loaded there, which takes a third of the time away; each leaves it as it was.
          isolate: false,
          // Vitest leaves a core to itself, which of two is half of them.
          maxWorkers: availableParallelism(),
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          setupFiles: ['test/support/setup.ts'],
          globalSetup: ['test/support/build.ts'],
          // Much of each is a tool that keeps one core busy, so two share a machine well; more would not, since engines do not.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
