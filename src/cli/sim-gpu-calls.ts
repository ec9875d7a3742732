/** `infernode sim gpu`: what single NVML calls do: hang, crawl, fail, be missing, refuse a struct. */
import { Argument } from 'commander';
import {
  delayCall,
  forceReturn,
  hangCall,
  releaseCalls,
  setMissing,
  setStructVersion,
} from '../sim/gpu-edits.js';
import { nvmlReturnCodes } from '../sim/nvml-return-codes.js';
import { checkCall, returnCode, wholeNumber } from './sim-gpu-arguments.js';
import type { SimGpuCommands, TargetOptions } from './sim-gpu.js';

export function addCallCommands(sim: SimGpuCommands): void {
  const call = (): Argument => new Argument('<call>', 'full name of an NVML function, or "*" for all');
  sim
    .command('hang', 'make an NVML call hang for ever, on one GPU or all', 'optional')
    .addArgument(call())
    .action((name: string, options: TargetOptions) =>
      sim.edit(options, (scenario, position, directory) => {
        hangCall(scenario, checkCall(name, directory), position);
        return { message: `${name} hangs`, call: name };
      }),
    );
  sim
    .command('unhang', 'let hung calls go: of one name and GPU, or all', 'optional')
    .argument('[call]', 'full name of an NVML function; all when not given')
    .action((name: string | undefined, options: TargetOptions) =>
      sim.edit(options, (scenario, position) => {
        const released = releaseCalls(scenario, name, position);
        return { message: `${released} hang${released === 1 ? '' : 's'} released`, released };
      }),
    );
  sim
    .command('delay', 'make an NVML call slow, on one GPU or all', 'optional')
    .addArgument(call())
    .argument('<us>', 'microseconds per call; 0 ends it', wholeNumber('microseconds', 0, 1e10))
    .action((name: string, us: number, options: TargetOptions) =>
      sim.edit(options, (scenario, position, directory) => {
        delayCall(scenario, checkCall(name, directory), us, position);
        return { message: us > 0 ? `${name} takes ${us} µs` : `${name} is quick again`, call: name, us };
      }),
    );
  sim
    .command('return', 'make an NVML call fail, on one GPU or all', 'optional')
    .addArgument(call())
    .argument(
      '<code>',
      `return code by number or name (${Object.keys(nvmlReturnCodes).slice(0, 4).join(', ')}...); 0 ends it`,
      returnCode,
    )
    .option('--times <n>', 'only so many times', wholeNumber('a count', 1, 1e9))
    .action((name: string, code: number, options: TargetOptions & { times?: number }) =>
      sim.edit(options, (scenario, position, directory) => {
        const limits = {
          ...(position !== undefined && { device: position }),
          ...(options.times && { times: options.times }),
        };
        forceReturn(scenario, checkCall(name, directory), code, limits);
        return {
          message: code === 0 ? `${name} works again` : `${name} answers ${code}`,
          call: name,
          code,
        };
      }),
    );
  sim
    .command('missing', 'make the driver lack an NVML function: it answers FUNCTION_NOT_FOUND', 'none')
    .argument('<call>', 'full name of an NVML function')
    .option('--off', 'it is there again')
    .action((name: string, options: TargetOptions & { off?: boolean }) =>
      sim.edit(options, (scenario, _position, directory) => {
        const call = checkCall(name, directory);
        setMissing(scenario, call, options.off !== true);
        return { message: `${call} is ${options.off ? 'there' : 'missing'}`, call };
      }),
    );
  sim
    .command('struct-version', 'make an NVML function refuse structs above a version', 'none')
    .argument('<call>', 'full name of an NVML function')
    .argument('<version>', 'highest version that it takes; 0 ends it', wholeNumber('a version', 0, 255))
    .action((name: string, version: number, options: TargetOptions) =>
      sim.edit(options, (scenario, _position, directory) => {
        const call = checkCall(name, directory);
        setStructVersion(scenario, call, version);
        return {
          message:
            version === 0 ? `${call} takes every version` : `${call} takes structs up to version ${version}`,
          call,
          version,
        };
      }),
    );
}
