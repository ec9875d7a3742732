// Streaming clients: some that always run, and bursts of long prompts whose first byte is still to come.
import { Agent, request } from 'undici';
import { seededRandom } from '../trace/seeded-random.mjs';

const words =
  'time year people way day man thing woman life child world school state family group country'.split(' ');
const requestTimeoutMs = 60_000;

export class Clients {
  #dispatcher = new Agent({ connections: 256, pipelining: 1 });
  #random;
  #options;
  #stopped = false;
  #loops = [];
  #bursts = new Set();
  inFlight = new Set();
  finished = [];

  constructor(options) {
    this.#options = options;
    this.#random = seededRandom(options.seed + 17);
  }

  start(streams) {
    this.#loops = Array.from({ length: streams }, async () => {
      while (!this.#stopped) {
        const record = await this.#send(50, 150 + Math.floor(this.#random() * 250));
        // A gateway that refuses must not be hammered.
        if (record.outcome === 'bad') await new Promise((resolve) => setTimeout(resolve, 200));
      }
    });
  }

  /** Long prompts: about 0.2 s of prefill each on the simulated engine. */
  burst(count) {
    for (let i = 0; i < count; i++) {
      const sending = this.#send(3000, 20, true).then(() => this.#bursts.delete(sending));
      this.#bursts.add(sending);
    }
  }

  async stop() {
    this.#stopped = true;
    await Promise.all([...this.#loops, ...this.#bursts]);
    await this.#dispatcher.close();
  }

  async #send(promptTokens, maxTokens, long = false) {
    const record = {
      long,
      sentMs: performance.now(),
      firstByteMs: null,
      endMs: null,
      codedMs: null,
      endpoint: null,
      attempts: 1,
      outcome: 'bad',
      detail: '',
    };
    this.inFlight.add(record);
    try {
      await this.#stream(record, this.#prompt(promptTokens), maxTokens);
    } catch (error) {
      record.detail = `client: ${error.code ?? error.name}: ${error.message}`;
    }
    record.endMs = performance.now();
    this.inFlight.delete(record);
    this.finished.push(record);
    return record;
  }

  async #stream(record, content, maxTokens) {
    const { gateway, model } = this.#options;
    const response = await request(`${gateway}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        stream: true,
        messages: [{ role: 'user', content }],
        max_tokens: maxTokens,
        ignore_eos: true,
      }),
      dispatcher: this.#dispatcher,
      signal: AbortSignal.timeout(requestTimeoutMs),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    record.endpoint = response.headers['x-infernode-endpoint'] ?? null;
    record.attempts = Number(response.headers['x-infernode-attempts'] ?? 1);
    if (response.statusCode !== 200) {
      record.detail = `status ${response.statusCode}: ${(await response.body.text()).slice(0, 200)}`;
      return;
    }
    judge(record, await readEvents(record, response.body));
  }

  #prompt(tokens) {
    let text = `${Math.floor(this.#random() * 1e9)} `;
    while (text.length < tokens * 4) text += `${words[Math.floor(this.#random() * words.length)]} `;
    return text;
  }
}

async function readEvents(record, body) {
  const decoder = new TextDecoder();
  const seen = { done: false, errors: [] };
  let rest = '';
  for await (const bytes of body) {
    record.firstByteMs ??= performance.now();
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') seen.done = true;
      else if (data.startsWith('{"error"')) {
        record.codedMs ??= performance.now();
        seen.errors.push(JSON.parse(data).error);
      }
    }
  }
  return seen;
}

/** Well, or with the coded event and no `[DONE]`; all else is bad. */
function judge(record, { done, errors }) {
  if (done && errors.length === 0) record.outcome = 'well';
  else if (!done && errors.length === 1 && errors[0].code === 'stream-interrupted') record.outcome = 'coded';
  else record.detail = `[DONE] ${done}, error events: ${JSON.stringify(errors).slice(0, 200)}`;
}
