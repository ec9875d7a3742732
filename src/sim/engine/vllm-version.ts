/** Release numbers such as `0.26.0`, compared by their numeric parts; a missing part counts as 0. */
export function isAtLeast(version: string, floor: string): boolean {
  const left = partsOf(version);
  const right = partsOf(floor);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** True from `since` (always when absent) up to, not including, `removed` (never when absent). */
export function isPresent(version: string, range: { since?: string; removed?: string }): boolean {
  return isAtLeast(version, range.since ?? '0') && !(range.removed && isAtLeast(version, range.removed));
}

function partsOf(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10) || 0);
}
