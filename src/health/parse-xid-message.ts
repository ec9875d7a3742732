/**
 * Reads what the driver writes to the kernel log about a GPU: the eight forms of `message_forms` in the Xid data. The log
 * is text from outside: any bytes may come, so that a line that is not understood is `null`, never an exception, and only
 * the first 4 KiB of a line are looked at.
 */
import { canonicalPciBusId } from '../domain/canonical-pci-bus-id.js';

export interface XidMessage {
  kind: 'xid';
  /** `dddddddd:bb:dd.f` in lower case. */
  pciBusId: string;
  code: number;
  /** GPU instance of a MIG line. */
  gpuInstance: number | null;
  pid: number | null;
  processName: string | null;
  /** What follows the code. */
  text: string;
  /** First two register words of an NVLink 5 line. */
  registers: { intrinfo: number; status: number } | null;
  /** New recovery action of an Xid 154 line. */
  recoveryAction: number | null;
  /** The line has no Xid number and says that the device fell off the bus: to be treated as 79. */
  fallenOff: boolean;
}

export interface SwitchMessage {
  kind: 'sxid';
  pciBusId: string;
  code: number;
  fatal: boolean;
  text: string;
}

/** First line of the two-line form of "fallen off the bus": the address, while the fact is still to come. */
export interface AddressMessage {
  kind: 'address';
  pciBusId: string;
}

export type DriverMessage = XidMessage | SwitchMessage | AddressMessage;

const maxLineLength = 4096;
const fallenOffCode = 79;

const address = String.raw`(?:PCI:)?((?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)`;
const xidLine = new RegExp(
  String.raw`NVRM: Xid \(${address}(?: GPU-I:([0-9a-fA-F]{1,2}))?\): (\d{1,5})(?:, ?(.*))?`,
);
const switchLine = new RegExp(
  String.raw`nvidia-nvswitch\d+: SXid \(${address}\): (\d{1,6}), (Fatal|Non-fatal)(.*)`,
);
const fallenOffLine = new RegExp(String.raw`NVRM: .{0,80}?GPU (?:at )?${address}.*fallen off the bus`);
const fallenOffWithoutAddress = /NVRM: .*fallen off the bus and is not responding/;
const addressLine = new RegExp(String.raw`NVRM: The NVIDIA GPU ${address}`);
const registerWords = /\((0x[0-9a-fA-F]{1,8}) (0x[0-9a-fA-F]{1,8})(?: 0x[0-9a-fA-F]{1,8}){0,8}\)/;
const recoveryChange = /recovery action changed from .{1,80}? to (0x[0-9a-fA-F]{1,8}|\d{1,9})/;

/** `previousAddress` is the address of a two-line message whose first line has just been read. */
export function parseXidMessage(line: string, previousAddress: string | null = null): DriverMessage | null {
  const text = line.slice(0, maxLineLength);
  if (!text.includes('NVRM:') && !text.includes('SXid')) return null;
  return parseXid(text) ?? parseSwitch(text) ?? parseFallenOff(text, previousAddress);
}

/** Remembers the address of a two-line message for the one line that follows it on the same subject. */
export class XidMessageReader {
  #address: string | null = null;

  read(line: string): XidMessage | SwitchMessage | null {
    const message = parseXidMessage(line, this.#address);
    if (message?.kind === 'address') {
      this.#address = message.pciBusId;
      return null;
    }
    if (message) this.#address = null;
    return message;
  }
}

function parseXid(line: string): XidMessage | null {
  const match = xidLine.exec(line);
  if (!match?.[1] || !match[3]) return null;
  const text = match[4] ?? '';
  const code = Number(match[3]);
  return {
    kind: 'xid',
    pciBusId: canonicalPciBusId(match[1]),
    code,
    gpuInstance: match[2] === undefined ? null : parseInt(match[2], 16),
    pid: numberOf(/\bpid='?(\d{1,10})\b/.exec(text)?.[1]),
    processName: /\bname='?([^,<>']{1,64})/.exec(text)?.[1]?.trim() || null,
    text,
    registers: registersOf(text),
    recoveryAction: code === 154 ? numberOf(recoveryChange.exec(text)?.[1]) : null,
    fallenOff: false,
  };
}

function parseSwitch(line: string): SwitchMessage | null {
  const match = switchLine.exec(line);
  if (!match?.[1]) return null;
  return {
    kind: 'sxid',
    pciBusId: canonicalPciBusId(match[1]),
    code: Number(match[2]),
    fatal: match[3] === 'Fatal',
    text: (match[4] ?? '').replace(/^, ?/, ''),
  };
}

function parseFallenOff(line: string, previousAddress: string | null): XidMessage | AddressMessage | null {
  const named = fallenOffLine.exec(line)?.[1];
  if (named) return fallenOff(canonicalPciBusId(named), line);
  if (previousAddress && fallenOffWithoutAddress.test(line)) return fallenOff(previousAddress, line);
  const announced = addressLine.exec(line)?.[1];
  return announced ? { kind: 'address', pciBusId: canonicalPciBusId(announced) } : null;
}

function fallenOff(pciBusId: string, line: string): XidMessage {
  return {
    kind: 'xid',
    pciBusId,
    code: fallenOffCode,
    gpuInstance: null,
    pid: null,
    processName: null,
    text: line.slice(line.indexOf('NVRM:') + 5).trim(),
    registers: null,
    recoveryAction: null,
    fallenOff: true,
  };
}

function registersOf(text: string): XidMessage['registers'] {
  const match = registerWords.exec(text);
  return match?.[1] && match[2] ? { intrinfo: Number(match[1]), status: Number(match[2]) } : null;
}

function numberOf(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
