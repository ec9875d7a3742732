/** Secrets are taken out of texts that leave the machine: those that are known by value, and those in a form that secrets have. */
import { expect, it } from 'vitest';
import { secretValuesOf } from '../../../src/config/secret-values.js';
import { maskLine, maskText } from '../../../src/domain/mask-text.js';

const config = {
  tls: { key: '/etc/infernode/tls.key', tokenFile: '/etc/infernode/tokens' },
  gateway: { sharedStore: { url: 'redis://me:redis-pass-1@cache:6379' }, keys: { file: 'keys.yaml' } },
  autoscaling: { lock: { url: 'rediss://:lock-pass-2@cache:6379' } },
  placement: { hashSeed: 'seed-of-the-cluster' },
  templates: {
    chat: {
      args: [
        '--max-num-batched-tokens',
        '8192',
        '--api-key',
        'argument-key-1',
        '--hf-token=argument-token-2',
      ],
      env: { HF_TOKEN: 'hf-of-the-template', VLLM_LOGGING_LEVEL: 'DEBUG' },
    },
  },
};
const planted = [
  'redis-pass-1',
  'lock-pass-2',
  'seed-of-the-cluster',
  'argument-key-1',
  'argument-token-2',
  'hf-of-the-template',
  'from-the-environment',
];

it('knows every secret of a configuration and of the environment, and no path', () => {
  const values = secretValuesOf(config, { MY_API_KEY: 'from-the-environment', HOME: '/home/somebody' });
  expect(values).toEqual(expect.arrayContaining(planted));
  for (const open of ['/etc/infernode/tls.key', 'keys.yaml', '8192', 'DEBUG', '/home/somebody'])
    expect(values).not.toContain(open);
});

it('masks known values wherever they stand', () => {
  const values = secretValuesOf(config, { MY_API_KEY: 'from-the-environment' });
  const text = planted.map((secret) => `engine said "${secret}" and went on\n`).join('');
  for (const secret of planted) expect(maskText(text, values)).not.toContain(secret);
  expect(maskText(text, values)).toContain('engine said "[masked]" and went on');
});

it.each([
  ['authorization: Bearer abcdefgh12345678', 'abcdefgh12345678'],
  ['{"headers":{"Authorization":"Bearer abcdefgh12345678"}}', 'abcdefgh12345678'],
  ['vllm serve m --api-key abcdefgh12345678 --port 8000', 'abcdefgh12345678'],
  ['{"apiKey":"abcdefgh12345678"}', 'abcdefgh12345678'],
  ['VLLM_API_KEY=abcdefgh12345678 vllm', 'abcdefgh12345678'],
  ['redis://user:abcdefgh12345678@cache:6379 refused', 'abcdefgh12345678'],
  ['key sk-abcdefgh12345678abcd was refused', 'sk-abcdefgh12345678abcd'],
  ['-----BEGIN PRIVATE KEY-----\nabcdefgh12345678\n-----END PRIVATE KEY-----', 'abcdefgh12345678'],
])('masks by form: %s', (text, secret) => {
  expect(maskText(text, [])).not.toContain(secret);
  expect(maskText(text, [])).toContain('[masked]');
});

it.each([
  'vllm serve m --max-num-batched-tokens 8192 --port 8000',
  'infernode_gateway_completion_tokens_total{model="m"} 512',
  '{"tokens":1024,"maxTokens":4096}',
  'the worse of time to first token and inter-token latency',
  'GPU-8592a3b5-b612-7fa0-2f78-cb985a8d0406 is healthy',
  'http://127.0.0.1:8001/v1/models answered 200',
])('leaves as it is: %s', (text) => expect(maskText(text, [])).toBe(text));

it('a line that is no JSON is masked all the same', () => {
  expect(maskLine('token=abcdefgh12345678 {\n')).toBe('token=[masked] {\n');
});
