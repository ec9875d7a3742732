/**
 * grpc-js names the host of a TLS connection to Node also where that is an IP address, and has no option against it; Node sends the address as
 * ever and warns (DEP0123) on the standard error of whoever calls an agent by its address. Nobody can act on that, so this one warning goes.
 */
export function muteIpServerName(target: Pick<NodeJS.Process, 'emitWarning'> = process): void {
  const emit = target.emitWarning.bind(target) as (...args: unknown[]) => void;
  target.emitWarning = (...args: unknown[]): void => {
    const [, second, third] = args;
    const code = typeof second === 'object' && second !== null && 'code' in second ? second.code : third;
    if (code !== 'DEP0123') emit(...args);
  };
}
