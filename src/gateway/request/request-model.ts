/** Which model a request of an unknown kind is for: as far as its body, a header, or the cluster tells. */
import type { IncomingHttpHeaders } from 'node:http';
import type { GatewayRouting } from '../gateway-routing.js';
import type { ErrorAnswer } from './openai-error.js';
import { parseRequest } from './parse-request.js';

export interface RequestedModel {
  model: string;
  /** Where its name stands in the body, to be replaced when it is an alias. */
  bytes: { start: number; end: number } | null;
  /** The bytes are a JSON string; else the bare name (a form field). */
  quoted: boolean;
}

/** How far into a form its `model` field is looked for; clients write small fields around the file, so both ends. */
const formSearchBytes = 64 * 1024;

export function requestedModel(
  headers: IncomingHttpHeaders,
  body: Buffer,
  routing: Pick<GatewayRouting, 'modelNames' | 'resolve'>,
): RequestedModel | ErrorAnswer {
  const type = headers['content-type'] ?? '';
  if (/^application\/(?:[\w.-]+\+)?json\b/i.test(type) && body.length > 0) {
    const parsed = parseRequest(body);
    if ('json' in parsed) return { model: parsed.model, bytes: parsed.modelBytes, quoted: true };
    if (parsed.param !== 'model') return parsed;
  }
  const field = /^multipart\/form-data\b/i.test(type) ? formField(body) : null;
  if (field !== null) return field;
  const named = headers['x-infernode-model'];
  if (typeof named === 'string' && named !== '') return { model: named, bytes: null, quoted: false };
  return onlyModel(routing);
}

function formField(body: Buffer): RequestedModel | null {
  const starts = [0, Math.max(0, body.length - formSearchBytes)];
  for (const from of starts) {
    const text = body.toString('latin1', from, from + formSearchBytes);
    const match = /\bname="?model"?(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,256})\r\n/.exec(text);
    if (match?.[1] === undefined) continue;
    const start = from + match.index + match[0].length - 2 - match[1].length;
    const end = start + match[1].length;
    return { model: body.toString('utf8', start, end), bytes: { start, end }, quoted: false };
  }
  return null;
}

function onlyModel(routing: Pick<GatewayRouting, 'modelNames' | 'resolve'>): RequestedModel | ErrorAnswer {
  const models = new Set(routing.modelNames().map((name) => routing.resolve(name)?.model ?? name));
  const [model] = models;
  if (models.size === 1 && model !== undefined) return { model, bytes: null, quoted: false };
  if (models.size === 0) return { code: 'no-eligible-endpoint', message: 'no engine serves any model yet' };
  return {
    code: 'request-invalid',
    message: 'expected the body or the header x-infernode-model to name a model: several are served',
    param: 'model',
  };
}
