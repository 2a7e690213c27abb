/**
 * A process that can die at every await. Whatever it waits for outside of itself comes back through
 * `outside`; when the process has died the answer is lost and nothing of it runs any more. What it had
 * sent stays sent.
 */
export interface Process {
  outside<T>(start: (answer: Answer<T>) => void): Promise<T>;
  /** Dies when so many more answers have come in, instead of seeing the last one. */
  dieAfter(answers: number): void;
  /** Returns how to be told no more. */
  onDeath(told: () => void): () => void;
  isAlive(): boolean;
}

export interface Answer<T> {
  resolve(value: T): void;
  reject(fault: unknown): void;
}

export function createProcess(): Process {
  let alive = true;
  let answersLeft = Number.POSITIVE_INFINITY;
  const toTell = new Set<() => void>();
  const resume = (go: () => void) => {
    if (!alive) return;
    answersLeft -= 1;
    if (answersLeft > 0) return go();
    alive = false;
    for (const tell of toTell) tell();
  };
  return {
    outside: (start) =>
      new Promise((resolve, reject) =>
        start({
          resolve: (value) => resume(() => resolve(value)),
          reject: (fault) => resume(() => reject(fault)),
        }),
      ),
    dieAfter: (answers) => {
      answersLeft = answers;
    },
    onDeath: (told) => {
      toTell.add(told);
      return () => void toTell.delete(told);
    },
    isAlive: () => alive,
  };
}
