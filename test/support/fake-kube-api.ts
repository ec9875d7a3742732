/**
 * A small Kubernetes API server for tests: real HTTP, bearer token, resourceVersion enforced on PUT (409), watches with bookmarks that can be
 * cut or expired (410), label and metadata.name selectors, strategic merge of status.conditions by type.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';

export interface StoredObject {
  metadata: { name: string; labels?: Record<string, string>; resourceVersion?: string };
  [member: string]: unknown;
}

interface Watcher {
  collection: string;
  selects: (object: StoredObject) => boolean;
  response: ServerResponse;
}

export class FakeKubeApi {
  readonly token = 'service-account-token';
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #collections = new Map<string, Map<string, StoredObject>>();
  readonly #watchers = new Set<Watcher>();
  #version = 100;
  /** Answers every call with this status while set. */
  failing: number | null = null;

  constructor() {
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  put(collection: string, object: StoredObject): StoredObject {
    const stored = structuredClone(object);
    stored.metadata.resourceVersion = String(++this.#version);
    const objects = this.#objects(collection);
    const type = objects.has(stored.metadata.name) ? 'MODIFIED' : 'ADDED';
    objects.set(stored.metadata.name, stored);
    this.#announce(collection, type, stored);
    return stored;
  }

  get(collection: string, name: string): StoredObject | undefined {
    return this.#objects(collection).get(name);
  }

  remove(collection: string, name: string): void {
    const object = this.#objects(collection).get(name);
    if (!object) return;
    this.#objects(collection).delete(name);
    object.metadata.resourceVersion = String(++this.#version);
    this.#announce(collection, 'DELETED', object);
  }

  get watches(): number {
    return this.#watchers.size;
  }

  /** Ends every watch: `cut` as a broken connection, `expired` with the 410 that a server sends for a version that it forgot. */
  endWatches(how: 'cut' | 'expired'): void {
    for (const { response } of this.#watchers) {
      if (how === 'cut') response.destroy();
      else
        response.end(
          `${JSON.stringify({ type: 'ERROR', object: { metadata: {}, code: 410, message: 'too old' } })}\n`,
        );
    }
    this.#watchers.clear();
  }

  #objects(collection: string): Map<string, StoredObject> {
    const found = this.#collections.get(collection) ?? new Map<string, StoredObject>();
    this.#collections.set(collection, found);
    return found;
  }

  #announce(collection: string, type: string, object: StoredObject): void {
    for (const watcher of this.#watchers)
      if (watcher.collection === collection && watcher.selects(object))
        watcher.response.write(`${JSON.stringify({ type, object })}\n`);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    this.requests.push(`${request.method} ${url.pathname}`);
    const body = await text(request);
    if (this.failing !== null) return refuse(response, this.failing, 'the server is sick');
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return refuse(response, 401, 'Unauthorized');
    const collection = /^(.*?\/(?:endpointslices|leases|nodes|pods))(?:\/([^/]+)(\/status)?)?$/.exec(
      url.pathname,
    );
    if (!collection) return refuse(response, 404, 'the server could not find the requested resource');
    const [, path = '', name] = collection;
    if (name === undefined) return this.#onCollection(path, url, request.method ?? '', body, response);
    this.#onObject(path, decodeURIComponent(name), request, body, response);
  }

  #onCollection(path: string, url: URL, method: string, body: string, response: ServerResponse): void {
    if (method === 'POST') {
      const object = JSON.parse(body) as StoredObject;
      if (this.get(path, object.metadata.name)) return refuse(response, 409, 'already exists');
      return answer(response, 201, this.put(path, object));
    }
    const selects = selectorOf(url);
    if (url.searchParams.get('watch') === '1') {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      const watcher = { collection: path, selects, response };
      this.#watchers.add(watcher);
      response.on('close', () => this.#watchers.delete(watcher));
      const since = Number(url.searchParams.get('resourceVersion'));
      for (const object of this.#objects(path).values())
        if (Number(object.metadata.resourceVersion) > since && selects(object))
          response.write(`${JSON.stringify({ type: 'MODIFIED', object })}\n`);
      response.write(
        `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { name: '', resourceVersion: String(this.#version) } } })}\n`,
      );
      return;
    }
    const items = [...this.#objects(path).values()].filter(selects);
    answer(response, 200, { metadata: { resourceVersion: String(this.#version) }, items });
  }

  #onObject(
    path: string,
    name: string,
    { method, headers }: IncomingMessage,
    body: string,
    response: ServerResponse,
  ): void {
    const found = this.get(path, name);
    if (!found) return refuse(response, 404, `"${name}" not found`);
    if (method === 'GET') return answer(response, 200, found);
    const object = JSON.parse(body) as StoredObject;
    if (method === 'PUT') {
      if (object.metadata.resourceVersion !== found.metadata.resourceVersion)
        return refuse(
          response,
          409,
          'the object has been modified; please apply your changes to the latest version',
        );
      return answer(response, 200, this.put(path, object));
    }
    if (headers['content-type'] !== 'application/strategic-merge-patch+json')
      return refuse(response, 415, 'the body of the request was in an unknown format');
    answer(response, 200, this.put(path, mergeConditions(found, object)));
  }
}

interface WithConditions extends StoredObject {
  status?: { conditions?: { type: string }[] };
}

function mergeConditions(found: StoredObject, patch: WithConditions): StoredObject {
  const before = (found as WithConditions).status?.conditions ?? [];
  const changed = patch.status?.conditions ?? [];
  const kept = before.filter(({ type }) => !changed.some((condition) => condition.type === type));
  return { ...found, status: { conditions: [...kept, ...changed] } };
}

/** `a=b` of labels; `metadata.name` and `spec.nodeName` of fields. */
function selectorOf(url: URL): (object: StoredObject) => boolean {
  const [label, value] = (url.searchParams.get('labelSelector') ?? '').split('=');
  const [field, wanted] = (url.searchParams.get('fieldSelector') ?? '').split('=');
  return (object) => {
    const { name, labels } = object.metadata;
    const { nodeName } = (object['spec'] ?? {}) as { nodeName?: string };
    const fields: Record<string, string | undefined> = { 'metadata.name': name, 'spec.nodeName': nodeName };
    return (!label || labels?.[label] === value) && (!field || fields[field] === wanted);
  };
}

async function text(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  answer(response, status, { kind: 'Status', status: 'Failure', message, code: status });
}
