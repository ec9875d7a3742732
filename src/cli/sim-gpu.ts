/**
 * `infernode sim gpu`: faults for simulated GPUs, on a laptop or in a test. Each command edits the node's scenario.json and
 * returns; the library and the simulated engines notice by themselves.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Argument, Command, InvalidArgumentError } from 'commander';
import {
  addEccErrors,
  addEvent,
  addXid,
  addXidEffects,
  cutIntoInstances,
  deviceAt,
  findDevice,
  loseDevice,
  loseFaulted,
  resetDevice,
  resetNode,
} from '../sim/gpu-edits.js';
import { editScenario, readScenario, scenarioFile, type GpuScenario } from '../sim/gpu-scenario.js';
import { isNodeSetting, parseValue, setDeviceSetting, setNodeSetting } from '../sim/gpu-set-path.js';
import { gpuEventTypes, type GpuEventType } from '../sim/gpu-settings.js';
import { appendKernelLog, xidLine } from '../sim/kernel-log.js';
import { invalid, positionOf, scenarioDirectory, sizesOf, wholeNumber } from './sim-gpu-arguments.js';
import { addCallCommands } from './sim-gpu-calls.js';
import { addSimGpuCreate } from './sim-gpu-create.js';
import { setHelp, topExamples } from './sim-gpu-help.js';
import { describeScenario } from './sim-gpu-show.js';

/** Longer than the agent's default sample interval, so that the loss is seen. */
const resetTakesMs = 1500;

export interface SimGpuTarget {
  scenario?: string;
  node?: string;
  stateDir?: string;
}

export interface TargetOptions extends SimGpuTarget {
  gpu?: string;
  json?: boolean;
}

interface XidOptions extends TargetOptions {
  effects?: boolean;
  dropped?: boolean;
  log: boolean;
  detail?: string;
  instance?: number;
}

/** Finds the directory of the simulated node that the options mean; throws a typed error when there is none. */
export type ResolveNodeDir = (options: SimGpuTarget) => string;

/** What a command did: a sentence for people, and members for `--json`. */
interface Outcome {
  message: string;
  [member: string]: unknown;
}

export function addSimGpuCommands(parent: Command, resolveNodeDir: ResolveNodeDir): void {
  const gpu = parent
    .command('gpu')
    .description(
      'faults and readings of the simulated GPUs of a running `infernode up`, or of any simulated node',
    )
    .addHelpText('after', topExamples);
  addSimGpuCreate(gpu);
  const commands = new SimGpuCommands(gpu, resolveNodeDir);
  commands.addEvents();
  commands.addDevices();
  addCallCommands(commands);
  commands.addSettings();
}

export class SimGpuCommands {
  constructor(
    private readonly gpu: Command,
    private readonly resolveNodeDir: ResolveNodeDir,
  ) {}

  addEvents(): void {
    this.command('xid', 'report an Xid of a GPU', 'required')
      .argument('<code>', 'Xid code', wholeNumber('an Xid code', 1, 9999))
      .option(
        '--effects',
        'also leave behind what such an Xid leaves: 79 loses the GPU, 63 makes a row remap pending...',
      )
      .option('--dropped', 'NVML does not tell of it, as happens to real ones: only the kernel log does')
      .option('--no-log', 'the kernel log does not tell of it')
      .option(
        '--detail <text>',
        'what the kernel log says after the code, such as "pid=4711, name=python3, Ch 00000008"',
      )
      .option(
        '--instance <n>',
        'of one MIG GPU instance, in the event and in the log',
        wholeNumber('a GPU instance', 0, 15),
      )
      .action((code: number, options: XidOptions) =>
        this.#editGpu(options, (scenario, position, directory) => {
          const { detail, dropped, instance } = options;
          const line = xidLine(deviceAt(scenario, position), code, { detail, gpuInstance: instance });
          if (options.log) appendKernelLog(directory, line);
          const seq = addXid(scenario, position, code, {
            ...(dropped ? { dropped } : {}),
            ...(instance === undefined ? {} : { gpuInstanceId: instance }),
          });
          const known = options.effects === true && addXidEffects(scenario, position, code);
          const effects = options.effects ? (known ? ' with its effects' : ' (no effects known)') : '';
          return { message: `Xid ${code}${effects}`, xid: code, seq, effects: known };
        }),
      );
    this.command('log', 'write lines into the kernel log of a simulated node', 'optional')
      .argument('<text>', 'what the kernel says, such as "NVRM: GPU 0000:18:00.0: RmInitAdapter failed!"')
      .action((text: string, options: TargetOptions) =>
        this.edit(options, (_scenario, _position, directory) => {
          const seqs = appendKernelLog(directory, text);
          return { message: `logged as record ${seqs.join(', ')}`, kmsg: seqs };
        }),
      );
    this.command('event', 'report another event of a GPU', 'required')
      .addArgument(new Argument('<type>', 'event type').choices(gpuEventTypes))
      .action((type: GpuEventType, options: TargetOptions) =>
        this.#editGpu(options, (scenario, position) => {
          const seq = addEvent(scenario, position, type);
          return { message: `event ${type}`, type, seq };
        }),
      );
    this.command('ecc', 'count memory errors, with the event of uncorrected ones', 'required')
      .option('--uncorrected <n>', 'uncorrectable errors to add', wholeNumber('a count', 1, 1e9))
      .option('--corrected <n>', 'corrected errors to add', wholeNumber('a count', 1, 1e9))
      .action((options: TargetOptions & { uncorrected?: number; corrected?: number }) => {
        const { uncorrected = 0, corrected = 0 } = options;
        if (uncorrected + corrected === 0)
          throw new InvalidArgumentError('expected --uncorrected N, --corrected N or both, got neither');
        this.#editGpu(options, (scenario, position) => {
          addEccErrors(scenario, position, { uncorrected, corrected });
          return {
            message: `${uncorrected} uncorrected and ${corrected} corrected ECC errors more`,
            uncorrected,
            corrected,
          };
        });
      });
  }

  addDevices(): void {
    this.command('temp', 'set the temperature of a GPU; it throttles above its own limits', 'required')
      .argument('<celsius>', 'temperature of the GPU, °C', wholeNumber('a temperature', 0, 200))
      .option('--memory <celsius>', 'temperature of its memory, °C', wholeNumber('a temperature', 0, 200))
      .action((celsius: number, options: TargetOptions & { memory?: number }) =>
        this.#editGpu(options, (scenario, position) => {
          const settings = {
            temperatureCelsius: celsius,
            ...(options.memory && { memoryTemperatureCelsius: options.memory }),
          };
          Object.assign(scenario.devices[position]!.set, settings);
          return { message: `temperature ${celsius} °C`, ...settings };
        }),
      );
    this.command('lost', 'lose a GPU: every call on it answers GPU_IS_LOST', 'required')
      .option('--vanish', 'the driver no longer counts it either; the GPUs behind it move up')
      .action((options: TargetOptions & { vanish?: boolean }) =>
        this.#editGpu(options, (scenario, position) => {
          loseDevice(scenario, position, options.vanish);
          return { message: options.vanish ? 'lost, and no longer counted' : 'lost', lost: true };
        }),
      );
    this.command('mig', 'cut a GPU into MIG instances', 'required')
      .argument('<gibibytes>', 'memory of each instance such as 20,20,40 (0: a removed one), or off', sizesOf)
      .action((sizes: number[], options: TargetOptions) =>
        this.#editGpu(options, (scenario, position) => {
          cutIntoInstances(scenario, position, sizes);
          const instances = scenario.devices[position]!.set.mig!.map(({ uuid }) => uuid);
          return { message: sizes.length === 0 ? 'MIG is off' : `MIG ${instances.join(', ')}`, instances };
        }),
      );
    this.command('found', 'bring a lost GPU back', 'required').action((options: TargetOptions) =>
      this.#editGpu(options, (scenario, position) => {
        findDevice(scenario, position);
        return { message: 'back', lost: false };
      }),
    );
  }

  addSettings(): void {
    this.command('set', 'set any reading of a GPU, or a property of the whole driver', 'optional')
      .argument(
        '<key>',
        'a setting, fields.ID[:SCOPE], links.N.NAME, rates.NAME (growth per second) or p2p.N',
      )
      .argument('<value>', 'a number, true, false, text, null (not supported) or default (as if never set)')
      .addHelpText('after', setHelp)
      .action((key: string, value: string, options: TargetOptions) =>
        this.edit(options, (scenario, position) => {
          const parsed = parseValue(value);
          if (isNodeSetting(key)) setNodeSetting(scenario, key, parsed);
          else if (position === undefined) throw invalid(`expected --gpu for ${key}, which belongs to a GPU`);
          else setDeviceSetting(scenario.devices[position]!.set, key, parsed, Date.now());
          return { message: `${key} = ${value}`, key, value: parsed ?? null };
        }),
      );
    this.command('show', 'what is set, lost, hung or forced now', 'optional').action(
      (options: TargetOptions) => {
        const directory = this.#directory(options);
        const scenario = readScenario(directory);
        const position = options.gpu === undefined ? undefined : positionOf(scenario, options.gpu);
        const path = join(directory, scenarioFile);
        process.stdout.write(
          options.json
            ? `${JSON.stringify({ scenario: path, ...scenario })}\n`
            : describeScenario(path, scenario, position),
        );
      },
    );
    this.command(
      'reset',
      'one GPU or the whole node as new, after the moment off the bus that a reset takes',
      'optional',
    )
      .option('--instant', 'without that moment: whoever watches does not see that a reset happened')
      .action(async (options: TargetOptions & { instant?: boolean }) => {
        if (!options.instant) {
          editScenario(this.#directory(options), (scenario) =>
            loseFaulted(scenario, options.gpu === undefined ? undefined : positionOf(scenario, options.gpu)),
          );
          await setTimeout(resetTakesMs);
        }
        this.edit(options, (scenario, position) => {
          if (position === undefined) resetNode(scenario);
          else resetDevice(scenario, position);
          return { message: 'as new' };
        });
      });
  }

  /** A command of its own with the options that all share. */
  command(name: string, description: string, gpu: 'required' | 'optional' | 'none'): Command {
    const command = this.gpu.command(name).description(description);
    const text = 'a GPU by its place in the scenario or the beginning of its UUID';
    if (gpu === 'required') command.requiredOption('--gpu <gpu>', text);
    if (gpu === 'optional') command.option('--gpu <gpu>', `${text}; all when not given`);
    return command
      .option('--node <name>', 'node of the running `infernode up` (default: the first)')
      .option('--state-dir <dir>', 'state directory of the `infernode up` to act on')
      .option('--scenario <path>', 'scenario.json of a simulated node, instead of a running `up`')
      .option('--json', 'print the outcome as one JSON line');
  }

  #directory({ scenario, node, stateDir }: TargetOptions): string {
    if (scenario !== undefined) return scenarioDirectory(scenario);
    return this.resolveNodeDir({
      ...(node === undefined ? {} : { node }),
      ...(stateDir === undefined ? {} : { stateDir }),
    });
  }

  /** An edit of one GPU; commander has seen to it that --gpu is there. */
  #editGpu(
    options: TargetOptions,
    edit: (scenario: GpuScenario, position: number, directory: string) => Outcome,
  ): void {
    this.edit(options, (scenario, position, directory) => {
      if (position === undefined) throw invalid('expected --gpu, got none');
      return edit(scenario, position, directory);
    });
  }

  /** Edits and says what came of it; `position` is that of --gpu. */
  edit(
    options: TargetOptions,
    edit: (scenario: GpuScenario, position: number | undefined, directory: string) => Outcome,
  ): void {
    const directory = this.#directory(options);
    let outcome: Outcome = { message: '' };
    let gpu: { gpu?: number; uuid?: string } = {};
    editScenario(directory, (scenario) => {
      const position = options.gpu === undefined ? undefined : positionOf(scenario, options.gpu);
      if (position !== undefined) gpu = { gpu: position, uuid: scenario.devices[position]!.uuid };
      outcome = edit(scenario, position, directory);
    });
    const subject = gpu.uuid === undefined ? 'all GPUs' : `GPU ${gpu.gpu} (${gpu.uuid})`;
    const line = options.json
      ? JSON.stringify({ scenario: join(directory, scenarioFile), ...gpu, ...outcome })
      : `${subject}: ${outcome.message}`;
    process.stdout.write(`${line}\n`);
  }
}
