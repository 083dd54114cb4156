import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#oci-spec-types';
import type { Explanation } from '../../src/explain/model.ts';
import { foldSmall, renderPage } from '../../src/explain/page.ts';

const HOSTILE = '</script><script>alert(1)</script><!--\u2028\u2029&"\'\ud800';

function explanation(files: Explanation['files'], more: Partial<Explanation> = {}): Explanation {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const digest = sha256('x');
  return {
    name: 'me/app:1',
    platform: 'linux/amd64',
    digest,
    pullSize: 1,
    size,
    visibleSize: size,
    hiddenSize: 0,
    layers: [{ digest, diffId: digest, pullSize: 1, size, hiddenSize: 0, createdBy: HOSTILE }],
    files,
    programs: [],
    duplicates: [],
    duplicateSize: 0,
    savings: [],
    ...more,
  };
}

const file = (path: string, size: number, more = {}) => ({
  path,
  size,
  layer: 0,
  type: 'file' as const,
  ...more,
});

describe('the page', () => {
  it('has hostile names as data alone', async () => {
    const page = await renderPage(explanation([file(HOSTILE, 5)], { name: HOSTILE }));
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(page).not.toContain('<!--');
    expect(page).not.toContain('alert(1)</script><');
    const [, text = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page) ?? [];
    expect(text).not.toMatch(/[<>&\u2028\u2029]/);
    expect(JSON.parse(text).files).toEqual([[HOSTILE, 5, 0, 0]]);
  });

  it('allows its own style and program by their digests, and nothing else', async () => {
    const page = await renderPage(explanation([file('a', 1)]));
    const [, policy = ''] = /Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
    const hash = (text = '') => `sha256-${createHash('sha256').update(text).digest('base64')}`;
    const [, style] = /<style>(.*?)<\/style>/s.exec(page) ?? [];
    const [, program] = /<script type="module">(.*?)<\/script>/s.exec(page) ?? [];
    expect(policy.replaceAll('&#39;', "'").split('; ')).toEqual([
      "default-src 'none'",
      `style-src '${hash(style)}'`,
      `script-src '${hash(program)}'`,
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
    ]);
  });
});

it('the smallest files come together by folder, layer and fate, and no byte is lost', () => {
  const hidden = { how: 'deleted', layer: 1 } as const;
  const files = [
    file('big', 100),
    file('d/a', 3),
    file('d/b', 2),
    file('d/c', 2, { hidden }),
    file('d/d', 1, { layer: 1 }),
    file('e', 1),
  ];
  const folded = foldSmall(files, 1);
  expect(folded.map(({ path, size, layer }) => [path, size, layer])).toEqual([
    ['big', 100, 0],
    ['d/(2 smaller files)', 5, 0],
    ['d/(1 smaller files)', 2, 0],
    ['d/(1 smaller files)', 1, 1],
    ['(1 smaller files)', 1, 0],
  ]);
  expect(foldSmall(files, 6)).toEqual(files);
});
