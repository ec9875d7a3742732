import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import {
  ChunkWriter,
  streamEnd,
  usage,
  wholeAnswer,
  type AnswerHead,
  type WholeChoice,
} from './answer-format.js';
import { ApiError, errorBody } from './api-error.js';
import { choiceSeed, type CompletionRequest } from './completion-request.js';
import type { EngineRequest, RequestOutput } from './engine-request.js';
import { engineDeadMessage, type SimulatedEngine } from './simulated-engine.js';
import type { StreamFaults } from './stream-faults.js';

interface Choice {
  index: number;
  promptLength: number;
  request: EngineRequest | null;
  text: string;
  tokenIds: number[];
  begun: boolean;
  output: RequestOutput | null;
}

export interface AnswerOptions {
  requestId: string;
  cachedDetails: boolean;
  faults: StreamFaults;
}

/** One completion request from submission to the last byte; it ends its sequences when the client goes away. */
export class CompletionAnswer {
  readonly #choices: Choice[];
  readonly #head: AnswerHead;
  readonly #chunks: ChunkWriter;
  #open: number;
  #ended = false;
  #events = 0;

  constructor(
    private readonly engine: SimulatedEngine,
    private readonly request: CompletionRequest,
    private readonly response: ServerResponse,
    private readonly options: AnswerOptions,
  ) {
    const prefix = request.kind === 'chat' ? 'chatcmpl-' : 'cmpl-';
    this.#head = {
      kind: request.kind,
      id: prefix + options.requestId,
      created: Math.floor(Date.now() / 1000),
      model: request.model,
    };
    this.#chunks = new ChunkWriter(this.#head);
    this.#choices = request.prompts.flatMap(({ tokens, text }, prompt) =>
      Array.from({ length: request.n }, (_, choice) => ({
        index: prompt * request.n + choice,
        promptLength: tokens.length,
        request: null,
        text: request.echo ? text : '',
        tokenIds: [],
        begun: false,
        output: null,
      })),
    );
    this.#open = this.#choices.length;
  }

  start(): void {
    this.response.on('close', () => this.#clientGone());
    if (this.request.stream) {
      // vLLM sends the headers before there is a token.
      this.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      this.response.flushHeaders();
    }
    for (const choice of this.#choices) this.#submit(choice);
  }

  #submit(choice: Choice): void {
    const { prompts, n, sampling, model } = this.request;
    choice.request = this.engine.submit(
      {
        ...sampling,
        id: `${this.#head.id}-${choice.index}`,
        promptTokens: prompts[Math.floor(choice.index / n)]!.tokens,
        seed: choiceSeed(sampling.seed, choice.index % n, model),
        cacheSalt: sampling.cacheSalt + (model === this.engine.settings.servedNames[0] ? '' : model),
      },
      { output: (output) => this.#output(choice, output), died: () => this.#died() },
    );
  }

  #output(choice: Choice, output: RequestOutput): void {
    if (this.#ended) return;
    choice.text += output.text;
    if (this.request.returnTokenIds) choice.tokenIds.push(...output.tokenIds);
    choice.output = output;
    if (output.finishReason !== null) this.#open -= 1;
    if (this.request.stream) this.#writeChunks(choice, output);
    else if (this.#open === 0) this.#sendWhole();
  }

  #writeChunks(choice: Choice, output: RequestOutput): void {
    const usageText = this.request.continuousUsage ? `,"usage":${JSON.stringify(this.#usage([choice]))}` : '';
    let text = '';
    const { index } = choice;
    if (!choice.begun && this.request.kind === 'chat') text += this.#chunks.role(index, usageText);
    const first = !choice.begun;
    choice.begun = true;
    const ids = this.request.returnTokenIds ? output.tokenIds : null;
    const end = { finishReason: output.finishReason, stopReason: output.stopReason };
    const tool = this.request.forcedTool;
    if (tool !== null) {
      if (first) text += this.#chunks.toolCall(index, toolCallDelta(tool), usageText);
      if (output.finishReason !== null)
        text += this.#chunks.content(index, '', { ...end, finishReason: 'tool_calls' }, ids, usageText);
    } else {
      const body = first && this.request.echo ? choice.text : output.text;
      text += this.#chunks.content(index, body, end, ids, usageText);
    }
    if (this.#open === 0) {
      if (this.request.includeUsage) text += this.#chunks.usage(this.#usage(this.#choices));
      text += streamEnd;
    }
    this.#send(text);
    if (this.#open === 0) this.#end();
  }

  /** Faults of the stream itself bite here: a cut connection, an end without `[DONE]`, an error event. */
  #send(text: string): void {
    this.#events += 1;
    const fault = this.options.faults.take(this.#events);
    if (fault === null) {
      this.response.write(text);
      return;
    }
    this.#abortOpen();
    this.#ended = true;
    if (fault === 'cut') this.response.destroy();
    else if (fault === 'truncate') this.response.end();
    else this.#endWithError(new ApiError(500, 'InternalServerError', 'Internal server error'));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.response.end();
  }

  #sendWhole(): void {
    this.#ended = true;
    const choices: WholeChoice[] = this.#choices.map((choice) => ({
      index: choice.index,
      text: choice.text,
      finishReason: this.request.forcedTool !== null ? 'tool_calls' : (choice.output?.finishReason ?? null),
      stopReason: choice.output?.stopReason ?? null,
      tokenIds: this.request.returnTokenIds ? choice.tokenIds : null,
      toolCall:
        this.request.forcedTool === null
          ? null
          : { id: `chatcmpl-tool-${randomUUID()}`, name: this.request.forcedTool, arguments: '{}' },
    }));
    const text = JSON.stringify(wholeAnswer(this.#head, choices, this.#usage(this.#choices)));
    this.response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    this.response.end(text);
  }

  #usage(choices: readonly Choice[]): ReturnType<typeof usage> {
    const { n } = this.request;
    // Several choices of one prompt count its tokens once.
    const prompt = choices.reduce(
      (sum, { index, promptLength }) => sum + (index % n === 0 ? promptLength : 0),
      0,
    );
    const completion = choices.reduce((sum, choice) => sum + (choice.request?.generated ?? 0), 0);
    const cached = this.options.cachedDetails ? (choices[0]?.request?.cachedTokens ?? 0) : null;
    return usage(prompt || (choices[0]?.promptLength ?? 0), completion, cached);
  }

  #died(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endWithError(new ApiError(500, 'InternalServerError', engineDeadMessage));
  }

  /** Before the first byte a status; in a stream an event, and still `[DONE]` behind it. */
  #endWithError(error: ApiError): void {
    const text = JSON.stringify(errorBody(error, this.engine.settings.simulation.version));
    if (this.response.headersSent) {
      this.response.end(`data: ${text}\n\n${streamEnd}`);
    } else {
      this.response.writeHead(error.status, { 'content-type': 'application/json' });
      this.response.end(text);
    }
  }

  #clientGone(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abortOpen();
  }

  #abortOpen(): void {
    for (const { request } of this.#choices)
      if (request && request.finish === null) this.engine.abort(request);
  }
}

function toolCallDelta(name: string): object {
  return {
    index: 0,
    id: `chatcmpl-tool-${randomUUID()}`,
    type: 'function',
    function: { name, arguments: '{}' },
  };
}
