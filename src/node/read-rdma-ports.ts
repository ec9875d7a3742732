/** RDMA ports by sysfs: state and error counters. */
import { join } from 'node:path';
import type { RdmaPort } from '../domain/host-readings.js';
import { readNames, readText } from './read-text.js';

const folder = 'sys/class/infiniband';
/** 32-bit counters stick at their maximum, and say nothing from then on. */
const stuck = 0xffff_ffff;

/** `null`: this host has no RDMA devices. */
export async function readRdmaPorts(root: string): Promise<RdmaPort[] | null> {
  const devices = await readNames(root, folder);
  if (devices === null || devices.length === 0) return null;
  const ports: RdmaPort[] = [];
  for (const device of devices)
    for (const port of (await readNames(root, join(folder, device, 'ports'))) ?? [])
      ports.push(await readPort(root, device, port));
  return ports;
}

async function readPort(root: string, device: string, port: string): Promise<RdmaPort> {
  const base = join(folder, device, 'ports', port);
  const counter = async (name: string): Promise<number | null> => {
    const text = (await readText(root, join(base, 'counters', name)))?.trim() ?? '';
    return /^\d+$/.test(text) && Number(text) !== stuck ? Number(text) : null;
  };
  return {
    name: `${device}/${port}`,
    // `4: ACTIVE`; the physical state (`5: LinkUp`) alone is not enough.
    active: ((await readText(root, join(base, 'state'))) ?? '').startsWith('4:'),
    symbolErrors: await counter('symbol_error'),
    linkDowned: await counter('link_downed'),
    linkErrorRecovery: await counter('link_error_recovery'),
    receiveErrors: await counter('port_rcv_errors'),
  };
}
