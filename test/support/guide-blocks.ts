/** The blocks of a guide as a reader uses them: a fence right under a line that is only a path is that file, an `sh` fence is typed. */

export type GuideBlock = { file: string; text: string } | { type: string };

/** By section title, such as `3. The agent, on each GPU node`. */
export function guideSections(markdown: string): Map<string, GuideBlock[]> {
  const sections = markdown.split(/^## /m).slice(1);
  return new Map(sections.map((section) => [section.split('\n')[0] ?? '', blocksOf(section)]));
}

function blocksOf(section: string): GuideBlock[] {
  const fences = section.matchAll(/(?:^`(\/[^`]+)`:\n\n)?^```(\w+)\n([\s\S]*?)^```/gm);
  return [...fences].flatMap(([, file, language, text = '']): GuideBlock[] => {
    if (file !== undefined) return [{ file, text }];
    return language === 'sh' ? [{ type: text.replace(/^.*# until Ctrl-C$/gm, '') }] : [];
  });
}
