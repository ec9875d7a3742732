/** The order of precedence, row by row over the whole catalogue, and the log forms with generated garbage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceEvent } from '../../../src/domain/device.js';
import { classifyFault, type FaultContext } from '../../../src/health/classify-fault.js';
import { actionOf, nvlink5Rules, xidRows } from '../../../src/health/health-data.js';
import { parseXidMessage, XidMessageReader } from '../../../src/health/parse-xid-message.js';

const quiet: FaultContext = { recoveryAction: null, repairFailed: false, driverBranch: 580 };

function xid(code: number, text: string | null = null): DeviceEvent {
  return {
    deviceUuid: 'GPU-0',
    kind: 'xid',
    code,
    source: text === null ? 'nvml' : 'kmsg',
    text,
    pid: null,
    receivedAtMs: 1,
    drill: false,
  };
}

describe('classifyFault', () => {
  it.each([...xidRows.values()].map((row) => [row.xid, row] as const))(
    'Xid %i follows its catalogue row',
    (code, row) => {
      const fault = classifyFault(xid(code), quiet);
      expect(fault).toMatchObject({ xid: code, severity: row.severity, ...actionOf(row.action) });
      expect(fault.drain.replace('-', '_')).toBe(row.drain === 'by_action' ? 'none' : row.drain);
    },
  );

  it('an unknown code is a warning with its raw line, never dropped', () => {
    const line = 'NVRM: Xid (PCI:0000:61:00): 999, something new';
    expect(classifyFault(xid(999, line), quiet)).toMatchObject({
      severity: 'warning',
      action: 'none',
      advice: 'contact_support',
      basis: 'unknown',
      evidence: line,
    });
  });

  it('the driver verdict outranks the table, up and down', () => {
    const up = classifyFault(xid(31), { ...quiet, recoveryAction: 2 });
    expect(up).toMatchObject({ action: 'reboot-node', severity: 'fatal', basis: 'recovery-action' });
    const down = classifyFault(xid(79), { ...quiet, recoveryAction: 1 });
    expect(down).toMatchObject({ action: 'reset-device', drain: 'drain-now', check: 'xid' });
    expect(classifyFault(xid(79), { ...quiet, recoveryAction: 0 }).action).toBe('reboot-node');
  });

  it.each([
    [0, 'info', 'none', 'none'],
    [1, 'fatal', 'reset-device', 'drain-now'],
    [2, 'fatal', 'reboot-node', 'drain-now'],
    [3, 'critical', 'none', 'none'],
    [4, 'critical', 'reset-device', 'drain-convenient'],
    [5, 'critical', 'none', 'none'],
    [6, 'fatal', 'reset-device', 'drain-now'],
    [7, 'fatal', 'reboot-node', 'drain-now'],
    [8, 'critical', 'none', 'none'],
  ])('recovery action %i is %s, %s, %s', (code, severity, action, drain) => {
    const event = { ...xid(code), kind: 'recovery-action' as const };
    expect(classifyFault(event, quiet)).toMatchObject({ severity, action, drain, xid: null });
    const line = `NVRM: Xid (PCI:0000:61:00): 154, GPU recovery action changed from 0x0 (None) to 0x${code} (x)`;
    expect(classifyFault(xid(154, line), quiet)).toMatchObject({ severity, action, drain });
  });

  it('a failed repair turns a memory error into a replacement, and leaves other codes alone', () => {
    const failed = { ...quiet, repairFailed: true };
    expect(classifyFault(xid(94), failed)).toMatchObject({ action: 'replace-hardware', severity: 'fatal' });
    expect(classifyFault(xid(31), failed).action).toBe('restart-engine');
  });

  it.each(nvlink5Rules.map((rule, index) => [index, rule] as const))(
    'NVLink 5 rule %i is found, or a worse one, in both register layouts',
    (_index, rule) => {
      const status = Number(rule.status);
      for (const [branch, value] of [
        [570, rule.unit_value_pre_r575],
        [580, rule.unit_value_r575],
      ] as const) {
        const intrinfo = ((rule.sub_code << 20) | Number(value)) >>> 0;
        const line = `NVRM: Xid (PCI:0008:01:00): ${rule.xid}, X Fatal Link 08 (0x${intrinfo.toString(16)} 0x${status.toString(16)} 0x0)`;
        const fault = classifyFault(xid(rule.xid, line), { ...quiet, driverBranch: branch });
        expect(fault.basis).toBe('nvlink5');
        const rank = ['info', 'warning', 'critical', 'fatal'];
        expect(rank.indexOf(fault.severity)).toBeGreaterThanOrEqual(rank.indexOf(rule.severity));
      }
    },
  );

  it('NVLink 5 without registers falls back to the row', () => {
    expect(classifyFault(xid(150), quiet)).toMatchObject({ basis: 'catalogue', severity: 'fatal' });
  });

  it.each([
    ['double-bit-ecc', 'ecc_uncorrected', 'critical', 'reset-device'],
    ['unavailable', 'gpu_unavailable_event', 'fatal', 'reset-device'],
    ['single-bit-ecc', 'ecc_corrected_rate', 'info', 'none'],
    ['other', 'xid', 'info', 'none'],
  ] as const)('event %s becomes %s', (kind, check, severity, action) => {
    expect(classifyFault({ ...xid(1), kind }, quiet)).toMatchObject({ check, severity, action });
  });
});

describe('parseXidMessage', () => {
  it('reads the classic form with pid and name', () => {
    expect(
      parseXidMessage('NVRM: Xid (PCI:0000:61:00): 79, pid=1234, name=python3, GPU has fallen off the bus.'),
    ).toMatchObject({ code: 79, pciBusId: '00000000:61:00.0', pid: 1234, processName: 'python3' });
    expect(
      parseXidMessage("NVRM: Xid (PCI:0000:61:00): 31, pid='<unknown>', name=<unknown>, Ch"),
    ).toMatchObject({
      code: 31,
      pid: null,
      processName: null,
    });
  });

  it('reads the old, MIG, NVLink 5 and recovery forms', () => {
    expect(parseXidMessage('NVRM: Xid (0000:03:00): 14, Channel 00000001')).toMatchObject({ code: 14 });
    expect(
      parseXidMessage(
        'NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9). RST: No, D-RST: No',
      ),
    ).toMatchObject({ code: 94, gpuInstance: 5, pid: 7194 });
    expect(
      parseXidMessage(
        'NVRM: Xid (PCI:0008:01:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)',
      ),
    ).toMatchObject({ registers: { intrinfo: 0x4505c6, status: 0 } });
    expect(
      parseXidMessage(
        'NVRM: Xid (PCI:0000:61:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)',
      ),
    ).toMatchObject({ recoveryAction: 1 });
  });

  it('reads "fallen off the bus" without a number, on one line and on two', () => {
    expect(parseXidMessage('NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.')).toMatchObject({
      code: 79,
      pciBusId: '00000000:18:00.0',
    });
    const reader = new XidMessageReader();
    expect(reader.read('NVRM: The NVIDIA GPU 0000:18:00.0')).toBeNull();
    expect(
      reader.read('NVRM: (PCI ID: 10de:2330) has fallen off the bus and is not responding to commands.'),
    ).toMatchObject({ code: 79, pciBusId: '00000000:18:00.0' });
    expect(reader.read('NVRM: x has fallen off the bus and is not responding to commands.')).toBeNull();
  });

  it('reads an NVSwitch error', () => {
    expect(
      parseXidMessage('nvidia-nvswitch1: SXid (PCI:0000:06:00.0): 20034, Fatal, Link 48 LTSSM Fault Up'),
    ).toEqual({
      kind: 'sxid',
      pciBusId: '00000000:06:00.0',
      code: 20034,
      fatal: true,
      text: 'Link 48 LTSSM Fault Up',
    });
  });

  it('survives garbage: 10,000 generated lines', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'NVRM: Xid (PCI:',
        '0000:61:00',
        '): ',
        '79',
        ', pid=',
        ' GPU-I:',
        'fallen off the bus',
        'NVRM: ',
        'The NVIDIA GPU ',
        '(0x',
        '154, GPU recovery action changed from ',
        ' to 0x',
        'SXid (',
        'Fatal',
      ),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.nat().map(String),
    );
    const line = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(line, (text) => {
        const message = parseXidMessage(text);
        if (message?.kind === 'xid') {
          expect(Number.isSafeInteger(message.code)).toBe(true);
          expect(message.pciBusId).toMatch(/^[0-9a-f]{8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/);
          classifyFault(xid(message.code, text), quiet);
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('looks at no more than 4 KiB of a line', () => {
    expect(parseXidMessage(`${' '.repeat(5000)}NVRM: Xid (PCI:0000:61:00): 79, x`)).toBeNull();
  });
});
