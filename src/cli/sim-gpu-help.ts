/** What `infernode sim gpu --help` says beside the commands. */
import { nodeSettingNames } from '../sim/gpu-set-path.js';
import { deviceSettingNames, deviceTextNames, linkSettingNames } from '../sim/gpu-settings.js';
import { wrap } from './sim-gpu-show.js';

export const topExamples = `
Examples:
  infernode sim gpu xid 79 --gpu 0                  an Xid event, as the driver reports it
  infernode sim gpu xid 79 --gpu 0 --effects        and the GPU is lost, as after a real one
  infernode sim gpu temp 95 --gpu 1 --node node-1   hot enough to throttle
  infernode sim gpu hang nvmlDeviceGetMemoryInfo_v2 --gpu 3
  infernode sim gpu unhang                          lets every hung call go
  infernode sim gpu reset                           all GPUs as new
  infernode sim gpu create /opt/infernode-gpus      a node of its own, for an agent without \`infernode up\`
`;

export const setHelp = `
Settings of a GPU:
  ${wrap(deviceSettingNames)}
Texts of a GPU:
  ${wrap(deviceTextNames)}
Settings of one NVLink, as links.3.NAME:
  ${wrap(linkSettingNames)}
Settings of the driver, without --gpu:
  ${wrap(nodeSettingNames)}

Examples:
  infernode sim gpu set pcieLinkWidth 8 --gpu 0
  infernode sim gpu set links.3.active false --gpu 0
  infernode sim gpu set fields.230 2 --gpu 1              any NVML field id
  infernode sim gpu set rates.eccCorrectedVolatile 5 --gpu 1
  infernode sim gpu set powerWatts null --gpu 2           the part cannot tell its power
  infernode sim gpu set globalLock true                   one hung call blocks all
`;
