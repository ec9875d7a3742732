/** One answer of the doctor: what was looked at, what was found, and what to do about it. */
export interface Finding {
  check: string;
  /** `fail`: infernode cannot do its work here. `warn`: it works with less. `info`: nothing to do. */
  level: 'ok' | 'info' | 'warn' | 'fail';
  found: string;
  /** What to do; empty when there is nothing to do. */
  remedy: string;
}

export const ok = (check: string, found: string): Finding => ({ check, level: 'ok', found, remedy: '' });
export const info = (check: string, found: string, remedy = ''): Finding => ({
  check,
  level: 'info',
  found,
  remedy,
});
export const warn = (check: string, found: string, remedy: string): Finding => ({
  check,
  level: 'warn',
  found,
  remedy,
});
export const fail = (check: string, found: string, remedy: string): Finding => ({
  check,
  level: 'fail',
  found,
  remedy,
});
