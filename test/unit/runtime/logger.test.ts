/** No secret leaves through a log line or a message of an error, however it was logged; lines stay JSON. */
import { expect, it } from 'vitest';
import { InfernodeError, messageOf } from '../../../src/domain/error-codes.js';
import { toServiceError } from '../../../src/rpc/grpc-status.js';
import { createLogger, type Logger } from '../../../src/runtime/logger.js';

const secret = 'abcdefgh12345678';
const url = `redis://user:${secret}@cache:6379`;

function linesOf(log: (logger: Logger) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  log(createLogger('test', 'info', { write: (line: string) => void lines.push(line) }));
  return lines.map((line) => {
    expect(line).not.toContain(secret);
    expect(line.endsWith('\n')).toBe(true);
    return JSON.parse(line) as Record<string, unknown>;
  });
}

it.each<[string, (logger: Logger) => void]>([
  ['the text', (logger) => logger.info(`Authorization: Bearer ${secret}`)],
  ['a quoted text', (logger) => logger.info(`it said "authorization: Bearer ${secret}" and "more"`)],
  ['a member', (logger) => logger.info({ reason: `${url} refused` }, 'no connection')],
  ['a member by its name, at any depth', (logger) => logger.info({ a: { b: [{ token: secret }] } }, 'x')],
  ['headers', (logger) => logger.warn({ headers: { authorization: `Bearer ${secret}` } }, 'refused')],
  ['an error', (logger) => logger.error({ err: new Error(`connect ${url}`) }, 'failed')],
  ['an error and nothing else', (logger) => logger.error(new Error(`--api-key ${secret}`))],
  ['what is bound to a child', (logger) => logger.child({ store: url }).info('x')],
  ['JSON inside a text', (logger) => logger.info({ request: JSON.stringify({ apiKey: secret }) }, 'call')],
  ['a key without its end', (logger) => logger.info({ text: `-----BEGIN PRIVATE KEY-----\n${secret}` }, 'x')],
])('masked in %s', (_, log) => {
  const [line] = linesOf(log);
  expect(JSON.stringify(line)).toContain('[masked]');
  expect(line).toMatchObject({ name: 'test', time: expect.any(Number) as number });
});

it('what is no secret is logged as it is', () => {
  const said = {
    queue: { requests: 3, tokens: 120 },
    url: 'http://127.0.0.1:8001/v1',
    key: 'GPU-1',
    none: null,
  };
  expect(linesOf((logger) => logger.info(said, 'time to first token'))).toMatchObject([
    { ...said, msg: 'time to first token' },
  ]);
});

it('errors that are told to others carry none', () => {
  const error = new InfernodeError('node-unreachable', `expected an answer of ${url}`);
  expect(messageOf(error)).toBe('expected an answer of redis://user:[masked]@cache:6379');
  expect(toServiceError(error).details).not.toContain(secret);
  expect(messageOf(`Bearer ${secret}`)).toBe('Bearer [masked]');
});
