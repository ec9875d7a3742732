/** Compares dotted release numbers; suffixes such as `rc1` or `+cu129` are ignored. Negative: `a` is older. */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): number[] =>
    version
      .split(/[+-]/)[0]
      ?.split('.')
      .map((part) => parseInt(part, 10) || 0) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
