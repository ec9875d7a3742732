import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InfernodeError } from '../domain/error-codes.js';
import { createAuthority, issueCertificate } from './certs/openssl.js';

interface InitOptions {
  out: string;
  agent: string[];
  coordinator: string[];
  client: string[];
  days: string;
}

const several = (value: string, before: string[]): string[] => [...before, value];
const namePattern = /^[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}$/;

/** `infernode certs init`: an authority and certificates for a lab; in production a real authority issues them. */
export function addCertsCommand(program: Command): void {
  const certs = program
    .command('certs')
    .description('certificates between coordinator, agents and operators');
  certs
    .command('init')
    .description('make an authority and certificates for a lab; needs openssl on the PATH')
    .option('--out <dir>', 'where the files go (keys readable by their owner only)', 'certs')
    .option(
      '--agent <names>',
      'a host name or address of an agent, or several with commas; repeatable',
      several,
      [],
    )
    .option('--coordinator <names>', 'the same for a coordinator', several, [])
    .option('--client <name>', 'an operator or a tool that calls control listeners; repeatable', several, [])
    .option('--days <n>', 'validity of the certificates; the authority lives ten times as long', '365')
    .addHelpText(
      'after',
      `
Example: one agent, one coordinator, one operator
  infernode certs init --agent gpu-a,10.0.0.5 --coordinator front --client alice
  agent:        tls: { certificate: certs/gpu-a.crt, key: certs/gpu-a.key, clientCa: certs/ca.crt,
                       roles: { front: scaler, alice: operator } }
  coordinator:  agents: [{ address: 10.0.0.5:9470, tls: { ca: certs/ca.crt, certificate: certs/front.crt, key: certs/front.key } }]
  operator:     infernode cordon 0 --agent 10.0.0.5:9470 --tls-ca certs/ca.crt --tls-cert certs/alice.crt --tls-key certs/alice.key
An existing authority in the folder is used again, so nodes can be added later.`,
    )
    .action(init);
}

function init({ out, agent, coordinator, client, days }: InitOptions): void {
  const validDays = Number(days);
  if (!Number.isInteger(validDays) || validDays < 1 || validDays > 3650)
    throw new InfernodeError(
      'argument-invalid',
      `expected --days to be a whole number from 1 to 3650, got "${days}"`,
    );
  const wanted = [...agent, ...coordinator, ...client].map((list) =>
    list.split(',').map((name) => name.trim()),
  );
  if (wanted.length === 0)
    throw new InfernodeError(
      'argument-invalid',
      'expected at least one of --agent, --coordinator and --client',
    );
  for (const name of wanted.flat())
    if (!namePattern.test(name))
      throw new InfernodeError(
        'argument-invalid',
        `expected a host name, an address or a plain name, got "${name}"`,
      );
  mkdirSync(out, { recursive: true, mode: 0o700 });
  const had = existsSync(join(out, 'ca.crt'));
  if (!had) createAuthority(out, validDays * 10);
  process.stdout.write(
    `${join(out, 'ca.crt')}: ${had ? 'the authority that was there' : 'a new authority; keep ca.key away from the nodes'}\n`,
  );
  for (const names of wanted) {
    const file = issueCertificate(out, names, validDays);
    process.stdout.write(`${file}.crt, .key: ${names.join(', ')}, ${validDays} days\n`);
  }
}
