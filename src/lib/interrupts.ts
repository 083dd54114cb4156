let held = 0;

/** While something else answers to signals, as a container that runs in the foreground does, they end no command. */
export function holdInterrupts(): { release(): void } {
  held++;
  return { release: () => void held-- };
}

export function areInterruptsHeld(): boolean {
  return held > 0;
}
