// Writes man/infernode.1 from the command tree; npm puts it where `man` looks when the package is installed with -g.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createProgram } from '../dist/cli/create-program.js';
import { manPage } from '../dist/cli/man-page.js';

mkdirSync(new URL('../man', import.meta.url), { recursive: true });
writeFileSync(new URL('../man/infernode.1', import.meta.url), manPage(createProgram()));
