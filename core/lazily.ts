/** What is loaded by the first who needs it, once: an import that is resolved anew costs 15 µs each time. */
export function lazily<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
}
