/** NVML's return codes by name, without the NVML_ERROR_ in front; the ones that a rehearsal has a use for. */
export const nvmlReturnCodes: Readonly<Record<string, number>> = {
  SUCCESS: 0,
  UNINITIALIZED: 1,
  INVALID_ARGUMENT: 2,
  NOT_SUPPORTED: 3,
  NO_PERMISSION: 4,
  NOT_FOUND: 6,
  INSUFFICIENT_SIZE: 7,
  INSUFFICIENT_POWER: 8,
  DRIVER_NOT_LOADED: 9,
  TIMEOUT: 10,
  IRQ_ISSUE: 11,
  LIBRARY_NOT_FOUND: 12,
  FUNCTION_NOT_FOUND: 13,
  CORRUPTED_INFOROM: 14,
  GPU_IS_LOST: 15,
  RESET_REQUIRED: 16,
  OPERATING_SYSTEM: 17,
  LIB_RM_VERSION_MISMATCH: 18,
  IN_USE: 19,
  MEMORY: 20,
  NO_DATA: 21,
  INSUFFICIENT_RESOURCES: 23,
  ARGUMENT_VERSION_MISMATCH: 25,
  NOT_READY: 27,
  GPU_NOT_FOUND: 28,
  INVALID_STATE: 29,
  UNKNOWN: 999,
};

/** A number, or a name in any of its forms (`GPU_IS_LOST`, `NVML_ERROR_GPU_IS_LOST`); null when it is neither. */
export function parseReturnCode(text: string): number | null {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  return nvmlReturnCodes[text.toUpperCase().replace(/^NVML_(ERROR_)?/, '')] ?? null;
}
