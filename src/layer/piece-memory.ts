/** Hands out memory for pieces, and takes back what is done with. */
export interface PieceMemory {
  take(): ArrayBuffer;
  giveBack(memory: ArrayBuffer): void;
}

/** @param size of each, in bytes */
export function pieceMemory(size: number): PieceMemory {
  const spare: ArrayBuffer[] = [];
  return {
    take: () => spare.pop() ?? new ArrayBuffer(size),
    giveBack: (memory) => {
      spare.push(memory);
    },
  };
}
