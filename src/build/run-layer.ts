import type { Layer } from '../image/model.ts';
import type { Driver } from '../sandbox/driver.ts';
import type { Order, Room } from '../sandbox/room.ts';
import type { Context } from '../transports/context.ts';

/** A command to run in the root that layers make. */
export interface RunLayerRequest {
  /** From the base up; in the store. Those that a build made are uncompressed. */
  readonly layers: readonly Layer[];
  readonly driver: Driver;
  readonly room: Omit<Room, 'root'>;
  readonly order: Order;
  /** Seconds since the epoch; files that are newer get this time. */
  readonly created: number;
  readonly onOutput: (chunk: Buffer, stream: 'stdout' | 'stderr') => void;
}

export interface RunLayerResult {
  readonly code: number;
  /** What the command changed, an uncompressed layer in the store; undefined where it changed nothing, or failed. */
  readonly layer?: Layer | undefined;
}

/** Runs a command in the root that layers make, and takes what it changed as one more layer. */
export async function runLayer(_request: RunLayerRequest, _context: Context): Promise<RunLayerResult> {
  throw new Error('not there yet');
}
