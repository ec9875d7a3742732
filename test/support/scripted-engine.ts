// An engine whose every answer is written by the test: a real HTTP server, calls handed over as they come, nothing timed.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface EngineCall {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
  request: IncomingMessage;
  response: ServerResponse;
  socket: Socket;
  /** Resolves when the caller's connection is gone or the answer is complete. */
  closed: Promise<void>;
}

export type EngineScript = (call: EngineCall) => void | Promise<void>;

export class ScriptedEngine {
  readonly calls: EngineCall[] = [];
  /** Connections accepted so far. */
  connections = 0;
  #script: EngineScript;
  #waiting: ((call: EngineCall) => void)[] = [];
  #handedOut = 0;
  readonly #server: Server;

  private constructor(script: EngineScript) {
    this.#script = script;
    this.#server = createServer((request, response) => this.#take(request, response));
    this.#server.on('connection', () => (this.connections += 1));
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  /** Without a script the calls wait for the test to answer them. */
  static async start(script: EngineScript = () => undefined): Promise<ScriptedEngine> {
    const engine = new ScriptedEngine(script);
    await new Promise<void>((resolve) => engine.#server.listen(0, '127.0.0.1', resolve));
    return engine;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  set script(script: EngineScript) {
    this.#script = script;
  }

  /** The next call that no test has seen yet. */
  nextCall(): Promise<EngineCall> {
    const call = this.calls[this.#handedOut];
    this.#handedOut += 1;
    return call ? Promise.resolve(call) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers, socket } = request;
      const call = { method, url, headers, body: Buffer.concat(chunks), request, response, socket, closed };
      this.calls.push(call);
      this.#waiting.shift()?.(call);
      void this.#script(call);
    });
  }
}

/** Events as vLLM writes them. */
export function chunkEvent(text: string, finish: string | null = null): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'model',
    choices: [{ index: 0, delta: { content: text }, finish_reason: finish }],
  })}\n\n`;
}

export const doneEvent = 'data: [DONE]\n\n';

export function startEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.flushHeaders();
}

/** A whole short stream. */
export function answerStream({ response }: EngineCall): void {
  startEvents(response);
  response.write(chunkEvent('Hello'));
  response.end(chunkEvent('.', 'stop') + doneEvent);
}

/** A whole plain answer. */
export function answerJson({ response }: EngineCall, body: object = completion): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export const completion = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'model',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: {
    prompt_tokens: 7,
    total_tokens: 9,
    completion_tokens: 2,
    prompt_tokens_details: { cached_tokens: 4 },
  },
};

export function answerError({ response }: EngineCall, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify({ error: { message, type: 'InternalServerError', param: null, code: status } }),
  );
}
