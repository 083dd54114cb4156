import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/lib/errors.ts';
import { root } from '../support/cli.ts';
import { type Page, pages } from '../support/documented.ts';

/** As GitHub makes them of headings. */
function anchors(text: string): ReadonlySet<string> {
  const prose = text.replace(/^```.*?^```$/gms, '');
  return new Set(
    [...prose.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function brokenLinks({ path, text }: Page): readonly string[] {
  const prose = text.replace(/^```.*?^```$/gms, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [file = '', anchor] = target.split('#');
    const place = file === '' ? join(root, path) : join(root, dirname(path), file);
    if (!existsSync(place)) return true;
    return anchor !== undefined && !anchors(readFileSync(place, 'utf8')).has(anchor);
  });
}

describe('the documentation', () => {
  it.each(pages())('in $path links to what is there', (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });

  it('has every page in its index', () => {
    const index = readFileSync(join(root, 'docs/README.md'), 'utf8');
    const names = pages().map(({ path }) => path.replace('docs/', ''));
    expect(names.filter((name) => name !== 'README.md' && !index.includes(`(${name})`))).toEqual([]);
  });

  it('explains every error code, with its exit code, and no other', () => {
    const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(OCISLIM_\w+)` \| (\d+) \|(.*)$/gm)];
    expect(Object.fromEntries(rows.map(([, code, exit]) => [code, Number(exit)]))).toEqual(ERROR_CODES);
    expect(rows.length).toBe(Object.keys(ERROR_CODES).length);
    // A meaning and a remedy for each.
    for (const [, , , rest = ''] of rows) expect(rest).toMatch(/^ [^|]+ \|[^|]* \| [^|]+ \|$/);
  });
});
