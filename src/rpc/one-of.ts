/** A word that is not known falls back: a newer agent may send it. */
export function oneOf<T extends string>(known: readonly T[], value: string, fallback: T): T {
  return (known as readonly string[]).includes(value) ? (value as T) : fallback;
}
