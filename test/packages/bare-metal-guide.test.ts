/**
 * docs/install-bare-metal.md as a new operator follows it: its own blocks, from top to bottom, as root on a machine that systemd has booted, with a real
 * Prometheus. After each step what the guide promises is looked at. Only waits are shortened: scrapes each second, an alert after two seconds.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineStatus } from '../../src/domain/engine.js';
import { guideSections } from '../support/guide-blocks.js';
import { npmCache, packedTarball } from '../support/packed-tarball.js';
import { eventually as eventuallyWithin } from '../support/running-up.js';
import { readText } from '../support/source-tree.js';
import { SystemdMachine } from '../support/systemd-machine.js';

const sections = guideSections(readText('docs/install-bare-metal.md'));
let machine: SystemdMachine;

// A whole machine that shares two cores with whatever else runs: a step takes seconds when it is alone, and minutes when it is not.
const patienceMs = 180_000;
vi.setConfig({ testTimeout: 2 * patienceMs });
const eventually = <T>(what: string, condition: () => Promise<T | false | undefined>): Promise<T> =>
  eventuallyWithin(what, condition, patienceMs);

/** Types a section, and what the later ones need of the shell that the reader keeps open. */
async function follow(title: string, change = (text: string): string => text): Promise<string> {
  const blocks = sections.get(title);
  if (!blocks)
    throw new Error(`expected the section "${title}" in the guide, found ${[...sections.keys()].join(', ')}`);
  let printed = '';
  for (const block of blocks)
    if ('file' in block) await machine.write(block.file, block.text);
    else
      printed += await machine.run(
        `cd "$(npm root -g)/infernode" 2>/dev/null || cd /root\n${change(block.type)}`,
      );
  return printed;
}

const engines = async (flags = ''): Promise<EngineStatus[]> =>
  JSON.parse(await machine.run(`infernode engines list --json ${flags}`)) as EngineStatus[];
const engineIs = (id: string, state: string, flags?: string) =>
  eventually(`${id} is ${state}`, async () =>
    (await engines(flags)).find((engine) => engine.id === id && engine.state === state),
  );
const query = (expr: string) =>
  machine.run(`promtool query instant http://127.0.0.1:9090 '${expr}'`).catch(() => '');

const refused = SystemdMachine.whyNot();
if (refused !== null) process.stderr.write(`the bare-metal guide is NOT followed here: ${refused}\n`);

it('every section is followed by a test', () => {
  const followed = readFileSync(new URL(import.meta.url), 'utf8');
  for (const title of sections.keys()) expect(followed, title).toContain(`'${title}'`);
});

describe.skipIf(refused !== null)('a machine of its own', () => {
  beforeAll(async () => {
    const tarball = packedTarball();
    const cache = npmCache();
    machine = await SystemdMachine.boot([cache]);
    await machine.write('/root/infernode-0.1.0.tgz', readFileSync(tarball));
    // It has no network; what a registry would give was fetched for another test of this folder, or is now.
    await machine.write('/root/.npmrc', `offline=true\ncache=/tmp/npm-cache\n`);
    await machine.run(`cp -r ${cache} /tmp/npm-cache`);
    // As installing Debian's package does.
    await machine.run('systemctl start prometheus');
  }, 240_000);
  afterAll(() => machine?.close());

  it('the package installs, and the doctor is content', async () => {
    const printed = await follow('1. The package and its user');
    expect(printed).toMatch(/infernode can run here/);
    expect(printed).toMatch(/ok +native build/);
  });

  it('stand-ins make a GPU node of any machine', async () => {
    expect(await follow('2. Without a GPU: stand-ins for a rehearsal')).toMatch(/2 H100-80 behind/);
  });

  it('the agent is a service that systemd hears, and its engine serves in a control group of its own', async () => {
    await follow('3. The agent, on each GPU node');
    await engineIs('chat-0', 'ready');
    expect(await machine.run('systemctl show -p StatusText -p Type infernode-agent')).toMatch(
      /StatusText=serving/,
    );
    expect(await machine.run('systemd-cgls --no-pager /system.slice/infernode-agent.service')).toMatch(
      /infernode-\d+-\d+[\s\S]*vllm serve/,
    );
    expect(await machine.run('ps -C infernode-keeper -o user=')).toMatch(/infernode/);
  });

  it('the coordinator serves a stream that ends well', async () => {
    expect(await follow('4. The coordinator')).toMatch(/1\/1 endpoints eligible[\s\S]*\[DONE\]/);
  });

  it('Prometheus scrapes agent, coordinator and engine', async () => {
    await follow('5. Scraped', (text) =>
      text.replace(
        'systemctl reload',
        `sed -i 's/15s/1s/g' /etc/prometheus/prometheus.yml
       sed -i 's/for: .*/for: 2s/' /etc/prometheus/alert-rules.yaml
       systemctl reload`,
      ),
    );
    await eventually('all three are up', async () => {
      const up = await query('up == 1');
      return ['agent', 'coordinator', 'engine'].every((job) => up.includes(`job="infernode-${job}"`));
    });
  });

  it('a GPU that falls off the bus fires its alert, and serves again after a reset', async () => {
    const [breaking, mending] = sections.get('6. Alerting') ?? [];
    if (!breaking || !mending || 'file' in breaking || 'file' in mending)
      throw new Error('expected two blocks that break a GPU and mend it');
    expect(await machine.run(breaking.type)).toMatch(/unhealthy[\s\S]*Xid 79[\s\S]*reboot-node/);
    await eventually('the alert fires', async () =>
      /alertname="InfernodeGpuUnhealthy", alertstate="firing"/.test(await query('ALERTS')),
    );
    await engineIs('chat-0', 'stopped');
    expect(await machine.run(mending.type)).toMatch(/DRILL/);
    await engineIs('chat-0', 'ready');
  });

  it('load starts a second engine, and a restart of both services ends none', async () => {
    const before = (await engines()).find(({ id }) => id === 'chat-0')?.incarnation;
    const printed = await follow('7. Scaling');
    expect(printed).toMatch(/"desired":2[\s\S]*"act":"start","endpoint":"gpu-a\/chat-1"/);
    await engineIs('chat-1', 'ready');
    expect((await engines()).find(({ id }) => id === 'chat-0')?.incarnation).toBe(before);
  });

  const proof =
    '--agent gpu-a:9470 --tls-ca /root/certs/ca.crt --tls-cert /root/certs/ops.crt --tls-key /root/certs/ops.key';

  it('with TLS the coordinator proves itself, people do, and nobody else is heard', async () => {
    await follow('8. A coordinator on another machine');
    await eventually('the coordinator watches by TLS', async () =>
      /gpu-a +watching/.test(await machine.run('infernode status')),
    );
    expect((await engines(proof)).map(({ id }) => id).sort()).toEqual(['chat-0', 'chat-1']);
    await expect(machine.run('infernode engines list --agent gpu-a:9470')).rejects.toThrow();
  });

  it('the debug bundle is written', async () => {
    expect(await follow('9. Look at it')).toMatch(/infernode-debug\.tar\.gz/);
  });

  it('an upgrade ends no engine; removing leaves no process and no file', async () => {
    const [upgrade, removal] = sections.get('10. Upgrade, and remove') ?? [];
    if (!upgrade || !removal || 'file' in upgrade || 'file' in removal)
      throw new Error('expected a block that upgrades and one that removes');
    const runs = async () =>
      (await engines(proof)).map(({ id, incarnation }) => `${id} ${incarnation}`).sort();
    const before = await runs();
    await machine.run(upgrade.type);
    await engineIs('chat-0', 'ready', proof);
    expect(await runs()).toEqual(before);
    await machine.run(removal.type);
    await eventually('nothing runs', async () => !/infernode|vllm/i.test(await machine.run('ps axo args')));
    expect(await machine.run('ls -d /etc/infernode* /var/lib/infernode* /usr/bin/infernode || true')).toBe(
      '',
    );
  });

  it('the air-gap guide installs without a network', async () => {
    const [pack, install] = guideSections(`## all\n${readText('docs/install-air-gap.md')}`).get('all') ?? [];
    if (!pack || !install || 'file' in pack || 'file' in install)
      throw new Error('expected a block that packs and one that installs');
    // This machine has no network at all; npm's cache stands in for the one of the first block.
    await machine.run(`mkdir /root/carry; cd /root/carry; cp /root/infernode-0.1.0.tgz .\n${pack.type}`);
    const printed = await machine.run(`cd /root/carry\n${install.type}`);
    expect(printed).toMatch(/ok +native build[\s\S]*infernode can run here/);
    expect(await machine.run('readlink -f "$(command -v infernode)"')).toContain('/opt/infernode/');
  });

  it('has a machine that is not this one', () => {
    expect(() => execFileSync('systemctl', ['cat', 'infernode-agent'], { stdio: 'pipe' })).toThrow();
  });
});
