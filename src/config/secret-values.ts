/** Which values of a configuration are never shown: not by `config print`, not in the message of an error. */
export const masked = '[masked]';

const secretName = /key|token|secret|passw|passphrase|seed|credential/i;
/** Names that match `secretName` but hold a path or a public name. */
const notSecret =
  /^(tls\.(key|tokenFile)|gateway\.keys\.(file|sharedStore)|.*\.tls\.(key|tokenFile)|.*[a-z]TokensPerMinute|.*\.maxTokens)$/;
/** Names that do not match and may hold a password. */
const carriesSecret = /^(gateway\.sharedStore|autoscaling\.lock)\.url$/;
/** `--api-key`, `--hf-token`; not `--max-num-batched-tokens` or `--tokenizer`. */
const secretFlag = /^--?([\w-]+[-_])?(key|token|secret|password)(=|$)/i;

export function isSecret(path: readonly string[]): boolean {
  const dotted = path.join('.');
  return carriesSecret.test(dotted) || (secretName.test(path.at(-1) ?? '') && !notSecret.test(dotted));
}

/** An argument vector without the values of flags that carry a secret, as `--api-key KEY` or `--api-key=KEY`. */
export function maskArguments(list: readonly unknown[]): unknown[] {
  return list.map((item, index) => {
    const before = list[index - 1];
    if (typeof before === 'string' && !before.includes('=') && secretFlag.test(before)) return masked;
    return typeof item === 'string' && item.includes('=') && secretFlag.test(item)
      ? item.replace(/=.*$/s, `=${masked}`)
      : item;
  });
}
