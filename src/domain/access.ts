/** Who may call what on a control listener. A role includes the ones before it. */
export const roles = ['viewer', 'scaler', 'operator'] as const;
export type Role = (typeof roles)[number];

/** Whoever calls, as the listener knows it. */
export interface Caller {
  /** Name from the certificate or the token file; `local` on a loopback listener without tls. */
  identity: string;
  role: Role;
}

/** Calls that only read; everything that is not listed here or below takes an operator. */
const reading = /^(Get|List|Watch|Explain|Plan|Check|Is|Stream|ServerReflectionInfo|TailEngineLog)/;
/** What a coordinator does on its own: tells its work, and starts and ends engines when it scales. */
const scaling = new Set([
  'ReportWork',
  'Place',
  'Release',
  'FirstToken',
  'StartEngine',
  'StopEngine',
  'DrainEngine',
  'SleepEngine',
  'WakeEngine',
]);

/** The least role for a method, by its path `/package.Service/Method`. */
export function requiredRole(path: string): Role {
  const method = path.slice(path.lastIndexOf('/') + 1);
  if (reading.test(method)) return 'viewer';
  return scaling.has(method) ? 'scaler' : 'operator';
}

export function mayCall(role: Role, path: string): boolean {
  return roles.indexOf(role) >= roles.indexOf(requiredRole(path));
}
