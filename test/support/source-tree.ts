/** The sources as text, for tests of contracts. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url));

/** TypeScript files under `src`, as paths from there, without what is generated. */
export function sourceFiles(): string[] {
  return readdirSync(`${repositoryRoot}/src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('rpc/generated/'))
    .sort();
}

/** Empty when there is none. */
export function readText(path: string): string {
  return existsSync(`${repositoryRoot}/${path}`) ? readFileSync(`${repositoryRoot}/${path}`, 'utf8') : '';
}
