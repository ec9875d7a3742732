import { existsSync } from 'node:fs';
import { ApiError, badRequest } from './api-error.js';
import type { Call, Handler } from './api-server.js';

/** `--lora-modules name=path` or a JSON object with both; anything else is skipped. */
export function initialAdapters(modules: readonly string[]): Map<string, string> {
  const adapters = new Map<string, string>();
  for (const text of modules) {
    const equals = text.indexOf('=');
    if (text.startsWith('{')) {
      const { name, path } = JSON.parse(text) as { name?: string; path?: string };
      if (name && path) adapters.set(name, path);
    } else if (equals > 0) adapters.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return adapters;
}

/** Loading and unloading at run time; only with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1. */
export function loraRoutes(
  adapters: Map<string, string>,
  knownModels: readonly string[],
): Map<string, Handler> {
  return new Map<string, Handler>([
    ['POST /v1/load_lora_adapter', (call) => load(adapters, knownModels, call)],
    ['POST /v1/unload_lora_adapter', (call) => unload(adapters, call)],
  ]);
}

async function load(
  adapters: Map<string, string>,
  knownModels: readonly string[],
  { response, json }: Call,
): Promise<void> {
  const { lora_name: name, lora_path: path, load_inplace: inPlace } = await json();
  if (typeof name !== 'string' || name === '' || typeof path !== 'string' || path === '')
    throw badRequest("Both 'lora_name' and 'lora_path' must be provided.");
  if ((adapters.has(name) && inPlace !== true) || knownModels.includes(name))
    throw badRequest(`The lora adapter '${name}' has already been loaded.`);
  if (path.startsWith('/') && !existsSync(path))
    throw new ApiError(404, 'NotFoundError', `Loading lora ${name} failed: No adapter found for ${path}`);
  adapters.set(name, path);
  sendText({ response }, `Success: LoRA adapter '${name}' added successfully.`);
}

async function unload(adapters: Map<string, string>, { response, json }: Call): Promise<void> {
  const { lora_name: name } = await json();
  if (typeof name !== 'string' || name === '')
    throw badRequest("either 'lora_name' or 'lora_int_id' needs to be provided.");
  if (!adapters.delete(name))
    throw new ApiError(404, 'NotFoundError', `The lora adapter '${name}' cannot be found.`);
  sendText({ response }, `Success: LoRA adapter '${name}' removed successfully.`);
}

function sendText({ response }: Pick<Call, 'response'>, text: string): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(text);
}
