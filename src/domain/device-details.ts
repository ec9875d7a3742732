/**
 * What is read of a device beside the readings that travel to the coordinator: for the health checks and for metrics. Counters
 * count since the driver was loaded unless their name says otherwise. `null` is "not supported or not read"; which of the two
 * is told by `DeviceSample.failed`.
 */
export interface DeviceDetails {
  /** Limits of the part. */
  slowdownCelsius: number | null;
  gpuMaxCelsius: number | null;
  memoryMaxCelsius: number | null;
  fanCount: number | null;
  /** Of the slowest fan. */
  fanSpeedRatio: number | null;
  powerLimitDefaultWatts: number | null;
  energyJoules: number | null;
  smClockMaxMhz: number | null;
  /** P-state number; 0 is the fastest. */
  performanceState: number | null;
  clockMonitorFault: number | null;
  /** Time held down, ns since the driver was loaded. */
  violationPowerNs: number | null;
  violationThermalNs: number | null;
  /** R575 and newer. */
  throttleHwThermalNs: number | null;
  throttlePowerBrakeNs: number | null;
  bar1TotalBytes: number | null;
  bar1UsedBytes: number | null;
  eccEnabled: number | null;
  eccPending: number | null;
  eccCorrectedAggregate: number | null;
  eccUncorrectedAggregate: number | null;
  sramThresholdExceeded: number | null;
  remapBanksLow: number | null;
  remapBanksNone: number | null;
  channelRepairPending: number | null;
  tpcRepairPending: number | null;
  unrepairableMemory: number | null;
  retiredPagesSingleBit: number | null;
  retiredPagesDoubleBit: number | null;
  retiredPagesPending: number | null;
  /** 1 after the checksums of the InfoROM were wrong; read at start and on request. */
  inforomCorrupt: number | null;
  pcieLinkGenerationMax: number | null;
  pcieLinkWidthMax: number | null;
  pcieRecoveryCounter: number | null;
  pcieCorrectableErrors: number | null;
  pcieNonFatalErrors: number | null;
  pcieFatalErrors: number | null;
  pcieTxBytes: number | null;
  pcieRxBytes: number | null;
  /** NVLinks that the part has. */
  nvlinkCount: number | null;
  c2cLinkCount: number | null;
  c2cLinksActive: number | null;
  c2cErrors: number | null;
  /** 1 not started, 2 in progress, 3 completed. */
  fabricState: number | null;
  fabricStatus: number | null;
  fabricHealthMask: number | null;
  persistenceMode: number | null;
  /** 0 default, 2 prohibited, 3 exclusive process. */
  computeMode: number | null;
  /** 0 none, 1 pass-through, 2 vGPU guest, 3 host. */
  virtualizationMode: number | null;
  migMode: number | null;
  migPending: number | null;
  /** Slot on the baseboard, which a technician needs. */
  moduleId: number | null;
  /** Mask of the event types that the driver can send of this device (`driverEventTypes`). */
  eventTypes: number | null;
  /** How long the last reading of each cost class took. */
  fastReadSeconds: number | null;
  normalReadSeconds: number | null;
  slowReadSeconds: number | null;
  /** Readings put off because the class took long the time before. */
  readsPutOff: number | null;
}

/** Bits of NVML's `nvmlEventType*`. */
export const driverEventTypes = { xid: 0x8, unavailable: 0x4000 } as const;

export const emptyDetails: Readonly<DeviceDetails> = {
  slowdownCelsius: null,
  gpuMaxCelsius: null,
  memoryMaxCelsius: null,
  fanCount: null,
  fanSpeedRatio: null,
  powerLimitDefaultWatts: null,
  energyJoules: null,
  smClockMaxMhz: null,
  performanceState: null,
  clockMonitorFault: null,
  violationPowerNs: null,
  violationThermalNs: null,
  throttleHwThermalNs: null,
  throttlePowerBrakeNs: null,
  bar1TotalBytes: null,
  bar1UsedBytes: null,
  eccEnabled: null,
  eccPending: null,
  eccCorrectedAggregate: null,
  eccUncorrectedAggregate: null,
  sramThresholdExceeded: null,
  remapBanksLow: null,
  remapBanksNone: null,
  channelRepairPending: null,
  tpcRepairPending: null,
  unrepairableMemory: null,
  retiredPagesSingleBit: null,
  retiredPagesDoubleBit: null,
  retiredPagesPending: null,
  inforomCorrupt: null,
  pcieLinkGenerationMax: null,
  pcieLinkWidthMax: null,
  pcieRecoveryCounter: null,
  pcieCorrectableErrors: null,
  pcieNonFatalErrors: null,
  pcieFatalErrors: null,
  pcieTxBytes: null,
  pcieRxBytes: null,
  nvlinkCount: null,
  c2cLinkCount: null,
  c2cLinksActive: null,
  c2cErrors: null,
  fabricState: null,
  fabricStatus: null,
  fabricHealthMask: null,
  persistenceMode: null,
  computeMode: null,
  virtualizationMode: null,
  migMode: null,
  migPending: null,
  moduleId: null,
  eventTypes: null,
  fastReadSeconds: null,
  normalReadSeconds: null,
  slowReadSeconds: null,
  readsPutOff: null,
};

/** One NVLink. The first counters are those up to Hopper, the others came with NVLink 5. */
export interface LinkReading {
  /** 1: active. */
  active: number | null;
  replayErrors: number | null;
  recoveryErrors: number | null;
  crcErrors: number | null;
  malformedPackets: number | null;
  bufferOverruns: number | null;
  receiveErrors: number | null;
  receiveRemoteErrors: number | null;
  receiveGeneralErrors: number | null;
  localIntegrityErrors: number | null;
  discards: number | null;
  recoveryFailed: number | null;
  recoveryEvents: number | null;
  effectiveErrors: number | null;
  /** Encoded: see `decodeBitErrorRate` in src/health/checks. */
  effectiveBer: number | null;
  symbolErrors: number | null;
  symbolBer: number | null;
}

export const emptyLink: Readonly<LinkReading> = {
  active: null,
  replayErrors: null,
  recoveryErrors: null,
  crcErrors: null,
  malformedPackets: null,
  bufferOverruns: null,
  receiveErrors: null,
  receiveRemoteErrors: null,
  receiveGeneralErrors: null,
  localIntegrityErrors: null,
  discards: null,
  recoveryFailed: null,
  recoveryEvents: null,
  effectiveErrors: null,
  effectiveBer: null,
  symbolErrors: null,
  symbolBer: null,
};

/** A MIG instance: a part of a device with memory and processes of its own. */
export interface MigInstance {
  uuid: string;
  gpuInstance: number;
  computeInstance: number;
  memoryTotalBytes: number | null;
  memoryUsedBytes: number | null;
}

/** What is read part by part, in the slow class only. */
export interface DeviceParts {
  /** Grows with every such reading: what carries the same number has been seen. */
  readNumber: number;
  /** By number of the link; `null`: the device has none, or does not tell. */
  links: LinkReading[] | null;
  /** `null`: MIG is off. */
  migs: MigInstance[] | null;
  /** `nvmlGpuP2PStatus_t` by index of the other device (0 is OK); `null`: not asked. */
  peers: (number | null)[] | null;
}

export const emptyParts: Readonly<DeviceParts> = { readNumber: 0, links: null, migs: null, peers: null };

export interface DeviceVersions {
  vbios: string | null;
  inforom: string | null;
  /** Only devices of one part number are compared. */
  partNumber: string | null;
}

export const emptyVersions: Readonly<DeviceVersions> = { vbios: null, inforom: null, partNumber: null };

/** What the driver says of the node as a whole. */
export interface DriverReadings {
  /** 1: confidential computing is on. */
  confidentialFeature: number | null;
  /** 0: the GPUs refuse work until they have been attested. */
  confidentialReady: number | null;
  /** Devices that a driver exclusion list hides. */
  excludedDevices: number | null;
}

export const emptyDriverReadings: Readonly<DriverReadings> = {
  confidentialFeature: null,
  confidentialReady: null,
  excludedDevices: null,
};

/** The members of a `DeviceSample` above, with nothing read. */
export const nothingRead = {
  details: emptyDetails,
  parts: emptyParts,
  versions: emptyVersions,
  failed: [] as readonly string[],
};
