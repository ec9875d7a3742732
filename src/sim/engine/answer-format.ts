import type { CompletionKind } from './completion-request.js';
import type { FinishReason } from './engine-request.js';

/** What all chunks of one answer share. */
export interface AnswerHead {
  kind: CompletionKind;
  id: string;
  created: number;
  model: string;
}

export interface Usage {
  prompt_tokens: number;
  total_tokens: number;
  completion_tokens: number;
  prompt_tokens_details: { cached_tokens: number } | null;
}

export interface ChoiceEnd {
  finishReason: FinishReason | 'tool_calls' | null;
  stopReason: string | number | null;
}

export function usage(prompt: number, completion: number, cached: number | null): Usage {
  return {
    prompt_tokens: prompt,
    total_tokens: prompt + completion,
    completion_tokens: completion,
    prompt_tokens_details: cached === null ? null : { cached_tokens: cached },
  };
}

export interface WholeChoice extends ChoiceEnd {
  index: number;
  text: string;
  tokenIds: number[] | null;
  toolCall: { name: string; arguments: string; id: string } | null;
}

export function wholeAnswer(head: AnswerHead, choices: WholeChoice[], total: Usage): object {
  const chat = head.kind === 'chat';
  return {
    id: head.id,
    object: chat ? 'chat.completion' : 'text_completion',
    created: head.created,
    model: head.model,
    choices: choices.map(chat ? wholeChatChoice : wholeTextChoice),
    service_tier: null,
    system_fingerprint: null,
    usage: total,
    ...(chat ? { prompt_logprobs: null } : {}),
    kv_transfer_params: null,
  };
}

function wholeChatChoice({ index, text, toolCall, finishReason, stopReason, tokenIds }: WholeChoice): object {
  const calls = toolCall
    ? [
        {
          id: toolCall.id,
          type: 'function',
          function: { name: toolCall.name, arguments: toolCall.arguments },
        },
      ]
    : [];
  return {
    index,
    message: {
      role: 'assistant',
      content: toolCall ? null : text,
      refusal: null,
      reasoning: null,
      tool_calls: calls,
    },
    logprobs: null,
    finish_reason: finishReason,
    stop_reason: stopReason,
    token_ids: tokenIds,
  };
}

function wholeTextChoice({ index, text, finishReason, stopReason, tokenIds }: WholeChoice): object {
  return {
    index,
    text,
    logprobs: null,
    finish_reason: finishReason,
    stop_reason: stopReason,
    prompt_logprobs: null,
    token_ids: tokenIds,
  };
}

/** Writes the events of a stream. The parts that never change are made once: a busy engine sends thousands a second. */
export class ChunkWriter {
  readonly #head: string;

  constructor(private readonly answer: AnswerHead) {
    const object = answer.kind === 'chat' ? 'chat.completion.chunk' : 'text_completion';
    const { id, created, model } = answer;
    this.#head = `data: ${JSON.stringify({ id, object, created, model }).slice(0, -1)},"choices":`;
  }

  role(index: number, usageText: string): string {
    return `${this.#head}[{"index":${index},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]${usageText}}\n\n`;
  }

  content(index: number, text: string, end: ChoiceEnd, tokenIds: number[] | null, usageText: string): string {
    const value = JSON.stringify(text);
    const delta = this.answer.kind === 'chat' ? `"delta":{"content":${value}}` : `"text":${value}`;
    return this.#choice(index, delta, end, tokenIds, usageText);
  }

  toolCall(index: number, call: object, usageText: string): string {
    const delta = `"delta":{"tool_calls":[${JSON.stringify(call)}]}`;
    return this.#choice(index, delta, { finishReason: null, stopReason: null }, null, usageText);
  }

  usage(total: Usage): string {
    return `${this.#head}[],"usage":${JSON.stringify(total)}}\n\n`;
  }

  #choice(
    index: number,
    delta: string,
    end: ChoiceEnd,
    tokenIds: number[] | null,
    usageText: string,
  ): string {
    const finish = end.finishReason === null ? 'null' : `"${end.finishReason}"`;
    const stop = end.finishReason === null ? '' : `,"stop_reason":${JSON.stringify(end.stopReason)}`;
    const ids = tokenIds === null ? 'null' : JSON.stringify(tokenIds);
    return `${this.#head}[{"index":${index},${delta},"logprobs":null,"finish_reason":${finish}${stop},"token_ids":${ids}}]${usageText}}\n\n`;
  }
}

export const streamEnd = 'data: [DONE]\n\n';
