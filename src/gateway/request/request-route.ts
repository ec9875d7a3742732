/** Which request is which: the OpenAI surface by name, everything else under /v1 as opaque. */
import type { PromptKind } from './render-prompt.js';

export type RouteName = 'models' | PromptKind | 'other';

export type RequestRoute =
  | { name: 'models'; methods: readonly string[]; model: string | null }
  | { name: PromptKind; methods: readonly string[] }
  | { name: 'other'; methods: null };

const post = ['POST'] as const;
const get = ['GET', 'HEAD'] as const;

const known = new Map<string, RequestRoute>([
  ['/v1/chat/completions', { name: 'chat', methods: post }],
  ['/v1/completions', { name: 'completions', methods: post }],
  ['/v1/embeddings', { name: 'embeddings', methods: post }],
  ['/v1/responses', { name: 'responses', methods: post }],
  ['/v1/models', { name: 'models', methods: get, model: null }],
]);

/** Paths of engines that change the engine: for its owner, not for clients of a gateway that would pick one of many. */
const forbidden = /^\/v1\/(?:load|unload)_lora_adapter$/;

/** `null` is 404: not of this surface, or written so that engine and gateway might read it differently. */
export function routeOf(path: string): RequestRoute | null {
  const exact = known.get(path);
  if (exact !== undefined) return exact;
  if (!path.startsWith('/v1/') || path.length > 2048) return null;
  const decoded = decode(path);
  if (decoded === null || /\/\.{0,2}(?:\/|$)|\\|[\u0000-\u0020]/.test(decoded) || forbidden.test(decoded))
    return null;
  if (decoded.startsWith('/v1/models/')) return { name: 'models', methods: get, model: decoded.slice(11) };
  return { name: 'other', methods: null };
}

function decode(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}
