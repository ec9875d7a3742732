import type { TemplateConfig } from '../../config/agent-config.js';
import { messageOf } from '../../domain/error-codes.js';
import { VllmPrograms } from '../../engine/vllm-program.js';
import { systemClock } from '../../runtime/clock.js';
import { findOnPath } from '../up/plan-cluster.js';
import { fail, info, ok, warn, type Finding } from './finding.js';

type Templates = Record<string, Pick<TemplateConfig, 'adapter' | 'command' | 'args'>>;

/** The program of each template, and of vLLM its version and whether it knows the template's flags; without templates the vLLM on the PATH. */
export async function checkEngines(templates: Templates, env = process.env): Promise<Finding[]> {
  const named = Object.entries(templates);
  if (named.length > 0) {
    const programs = new VllmPrograms(systemClock);
    return Promise.all(named.map(([name, template]) => checkTemplate(name, template, programs, env)));
  }
  if (findOnPath('vllm', env['PATH']) !== null)
    return [await checkTemplate('', { adapter: 'vllm', command: ['vllm'], args: [] }, undefined, env)];
  return [
    info(
      'vllm',
      'no `vllm` on the PATH',
      'install vLLM, or give templates a `command`; `infernode up` simulates engines meanwhile',
    ),
  ];
}

async function checkTemplate(
  name: string,
  { adapter, command, args }: Templates[string],
  programs = new VllmPrograms(systemClock),
  env: NodeJS.ProcessEnv,
): Promise<Finding> {
  const check = name ? `template ${name}` : 'vllm';
  const [program = ''] = command;
  const path = program.includes('/') ? program : findOnPath(program, env['PATH']);
  if (path === null)
    return fail(
      check,
      `no \`${program}\` on the PATH`,
      `install it where services find it (/usr/local/bin), or set templates.${name}.command`,
    );
  if (adapter !== 'vllm') return ok(check, path);
  try {
    const { version, flags, unknown } = await programs.of(command, env);
    const found = `${path}: ${version ?? 'no version'}`;
    if (unknown !== '')
      return warn(check, `${found} (${unknown})`, `run \`${command.join(' ')} --version\` and mend it`);
    const strange = args.filter((arg) => arg.startsWith('--') && !flags?.has(arg.replace(/=.*$/, '')));
    return strange.length > 0 && flags
      ? warn(
          check,
          `${found}; it does not know ${strange.join(', ')}`,
          `correct templates.${name}.args, or install the vLLM that they were written for`,
        )
      : ok(check, found);
  } catch (error) {
    return fail(check, messageOf(error), `correct templates.${name}.command`);
  }
}
