/** A JSON request as the gateway needs it: checked, its model found, its bytes untouched. */
import { scanJson, type JsonScan } from './scan-json.js';
import type { ErrorAnswer } from './openai-error.js';

export interface ParsedRequest {
  json: Record<string, unknown>;
  /** Model name as the client wrote it. */
  model: string;
  modelBytes: JsonScan['model'];
  scan: JsonScan;
}

/** Deeper than any tool schema in use (about 20 levels), far from what recursion could not take. */
export const maxJsonDepth = 64;

export function parseRequest(body: Buffer): ParsedRequest | ErrorAnswer {
  const scan = scanJson(body, maxJsonDepth);
  if (scan.depth > maxJsonDepth)
    return { code: 'request-invalid', message: `expected JSON of at most ${maxJsonDepth} levels` };
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return { code: 'request-invalid', message: 'expected the body to be valid JSON' };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return { code: 'request-invalid', message: 'expected the body to be a JSON object' };
  const { model } = json as { model?: unknown };
  if (typeof model !== 'string' || model === '')
    return { code: 'request-invalid', message: 'expected "model" to name a model', param: 'model' };
  return { json: json as Record<string, unknown>, model, modelBytes: scan.model, scan };
}
