/**
 * Why an engine ended, in one line: how the process went, and the first error of its log that is a cause and not an echo
 * (contract 5.4). The class is for counting and for deciding whether another try makes sense.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { RunExit } from './engine-run.js';

export const causeClasses = [
  'out-of-memory',
  'model-not-found',
  'cuda-error',
  'nccl-timeout',
  'port-in-use',
  'compile-error',
  'config',
  'killed',
  'hang',
  'unknown',
] as const;
export type CauseClass = (typeof causeClasses)[number];

export interface ExitCause {
  class: CauseClass;
  /** One line without a final stop. */
  text: string;
}

/** First match wins; the texts are those of contract 5.4. */
const classRules: readonly (readonly [CauseClass, RegExp])[] = [
  [
    'out-of-memory',
    /out of memory|OutOfMemoryError|No available memory for the cache|Free memory on device|max seq len/i,
  ],
  ['port-in-use', /Address already in use|EADDRINUSE/],
  [
    'model-not-found',
    /Repository Not Found|not a valid model identifier|gated repo|No such file or directory/i,
  ],
  ['compile-error', /failed to compile the model/],
  ['nccl-timeout', /NCCL|collective operation timeout|execute_model timed out|sample_tokens timed out/],
  ['cuda-error', /CUDA error|device-side assert|uncorrectable ECC|illegal memory access/],
  ['config', /unrecognized arguments|error: argument|ValidationError|ValueError/],
  ['killed', /died unexpectedly/],
];

/** Lines that only sum up what an earlier line caused. */
const echoes =
  /Engine core initialization failed|EngineCore failed to start|EngineCore encountered|WorkerProc (failed|initialization)|AsyncLLM output_handler failed|EngineDeadError|process failed to start|Dumping scheduler/;

/** vLLM's prefixes: speaker, level, time, place. */
const linePrefix = /^(\([\w .=:-]+\)\s*)?((ERROR|CRITICAL)\s+[\d-]+ [\d:]+ \[[^\]]*\]\s?)?/;
const errorLine = /^(\([\w .=:-]+\)\s*)?(ERROR|CRITICAL)\b|^[\w .:-]*\berror: |^\w*(Error|Exception): /;
const traceback = 'Traceback (most recent call last):';

/** The tail holds the last run's errors; a cause further back has scrolled out behind a flood. */
const tailBytes = 256 * 1024;
const maxTextLength = 300;

export function explainExit(exit: RunExit, runDir: string): ExitCause {
  if (exit.keeperLost) return { class: 'killed', text: 'its keeper was killed, so the engine was ended' };
  const how =
    exit.signal === null ? `exited with code ${exit.code ?? 'unknown'}` : `killed by ${exit.signal}`;
  const found = firstError(readTail(join(runDir, 'engine.log')));
  if (found === null) {
    if (exit.signal !== null) return { class: exit.signal === 'SIGKILL' ? 'killed' : 'unknown', text: how };
    const unasked = exit.code === 0 ? ', which nobody asked for' : '';
    return { class: 'unknown', text: `${how}${unasked}; its log names no error` };
  }
  return { class: classOf(found), text: `${how}: ${found}`.slice(0, maxTextLength) };
}

/** For an engine that was given up before its process ended: its log often has the cause already. */
export function explainGone(cause: ExitCause, runDir: string): ExitCause {
  const found = firstError(readTail(join(runDir, 'engine.log')));
  if (found === null) return cause;
  return { class: classOf(found), text: `${cause.text}: ${found}`.slice(0, maxTextLength) };
}

export function classOf(text: string): CauseClass {
  return classRules.find(([, pattern]) => pattern.test(text))?.[0] ?? 'unknown';
}

/** The exception under the first traceback that is not an echo, else the first error line, else `null`. */
export function firstError(log: string): string | null {
  const lines = log.split(/[\r\n]+/);
  let plain: string | null = null;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line.includes(traceback)) {
      const exception = exceptionBelow(lines, at + 1);
      if (exception !== null && !echoes.test(exception)) return exception;
    } else if (plain === null && errorLine.test(line) && !echoes.test(line)) {
      plain = strip(line);
    }
  }
  return plain;
}

/** The first line below a traceback that is not indented: `ValueError: ...`. */
function exceptionBelow(lines: readonly string[], from: number): string | null {
  for (const line of lines.slice(from, from + 200)) {
    const text = line.replace(linePrefix, '');
    if (text !== '' && !/^\s/.test(text)) return text.trim();
  }
  return null;
}

function strip(line: string): string {
  return line.replace(linePrefix, '').trim();
}

/** Text of the file's end; empty when it cannot be read. Synchronous on purpose: it is on the path of a crash. */
export function readTail(path: string, bytes = tailBytes): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const buffer = Buffer.alloc(Math.min(bytes, size));
      const length = readSync(file, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8', 0, length);
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
