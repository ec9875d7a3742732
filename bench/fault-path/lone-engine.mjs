// What is watched by /health alone: a simulated engine on a node of its own that no agent supervises. Its GPU fails as the
// others' do; an ordinary poller asks /health each second.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { addXid } from '../../dist/sim/gpu-edits.js';
import { createSimulatedNode, editScenario } from '../../dist/sim/gpu-scenario.js';
import { mainFile } from './cluster.mjs';

const pollMs = 1000;
const readyTimeoutMs = 60_000;

export class LoneEngine {
  #directory = mkdtempSync(join(tmpdir(), 'infernode-fault-path-lone-'));
  #child = null;
  #timer = null;
  #hurtMs = null;
  #url = '';
  #polls = { ok: 0, notOk: 0 };
  #tokensAfter = 0;
  #hangUp = new AbortController();

  async start(seed) {
    const { uuids } = createSimulatedNode(this.#directory, { gpus: 1, profile: 'H100-80', seed: seed + 100 });
    const port = await freePort();
    this.#url = `http://127.0.0.1:${port}`;
    const argv = [mainFile, 'sim', 'engine', 'serve', 'lone', '--host', '127.0.0.1', '--port', String(port)];
    this.#child = spawn(process.execPath, argv, {
      env: { ...process.env, INFERNODE_SIM_NODE_DIR: this.#directory, CUDA_VISIBLE_DEVICES: uuids[0] },
      stdio: 'ignore',
      detached: true,
    });
    const endMs = performance.now() + readyTimeoutMs;
    while ((await this.#health()) !== 200) {
      if (performance.now() > endMs) throw new Error('the engine without an agent did not become ready');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** A stream runs, then the GPU fails, and the poller begins. */
  async hurt() {
    await this.#openStream();
    this.#hurtMs = performance.now();
    editScenario(this.#directory, (scenario) => addXid(scenario, 0, 79));
    this.#timer = setInterval(async () => {
      if ((await this.#health()) === 200) this.#polls.ok += 1;
      else this.#polls.notOk += 1;
    }, pollMs);
  }

  report() {
    const watchedMs = this.#hurtMs === null ? 0 : performance.now() - this.#hurtMs;
    return { watchedSeconds: watchedMs / 1000, ...this.#polls, bytesSentLaterThan1s: this.#tokensAfter };
  }

  async stop() {
    clearInterval(this.#timer);
    this.#hangUp.abort();
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      // Its own process group: the hung children go with it.
      process.kill(-this.#child.pid, 'SIGKILL');
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #health() {
    try {
      const { statusCode, body } = await request(`${this.#url}/health`, { headersTimeout: 900 });
      await body.dump();
      return statusCode;
    } catch {
      return null;
    }
  }

  async #openStream() {
    const { body } = await request(`${this.#url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'lone',
        prompt: 'on and on',
        stream: true,
        max_tokens: 1900,
        ignore_eos: true,
      }),
      headersTimeout: 0,
      bodyTimeout: 0,
      signal: this.#hangUp.signal,
    });
    const begun = new Promise((resolve) => {
      body.on('data', (bytes) => {
        resolve();
        if (this.#hurtMs !== null && performance.now() - this.#hurtMs > 1000)
          this.#tokensAfter += bytes.length;
      });
    });
    body.on('error', () => undefined);
    await begun;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
