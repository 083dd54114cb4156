import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { OcislimError } from '../lib/errors.ts';
import { sanitise } from '../ui/sanitise.ts';
import { humanSize } from '../ui/size.ts';
import type { Explanation } from './model.ts';

/** Files that the page has one by one; the smallest beyond come together, so that a browser can hold the page. */
const FILES = 50_000;

/**
 * A page with a map of an image's files: one document that asks for nothing, and may not (Content-Security-Policy). Names from
 * the image are in it only as data, which its own program shows as text.
 */
export async function renderPage(found: Explanation): Promise<string> {
  const [style, program] = await Promise.all(['style.css', 'app.js'].map(asset));
  const policy = [
    "default-src 'none'",
    `style-src '${hash(style ?? '')}'`,
    `script-src '${hash(program ?? '')}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const facts = [
    ['To pull', found.pullSize],
    ['Unpacked', found.size],
    ['Seen by a container', found.visibleSize],
    ['Shipped, but hidden', found.hiddenSize],
    ['Repeated content', found.duplicateSize],
  ] as const;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeHtml(found.name)}: where its bytes are</title>
<style>${style}</style>
</head>
<body>
<header>
<div>
<h1>${escapeHtml(found.name)}</h1>
<p class="sub">${escapeHtml(found.platform)} <code>${escapeHtml(found.digest)}</code></p>
</div>
<button id="theme" type="button">Dark</button>
</header>
<dl class="facts">
${facts.map(([name, bytes]) => `<div><dt>${name}</dt><dd data-bytes="${bytes}">${humanSize(bytes)}</dd></div>`).join('\n')}
</dl>
<main>
<section class="panel" aria-label="Map">
<div class="bar">
<nav id="crumbs" aria-label="Where the map is"></nav>
<div class="group" role="group" aria-label="Order of the map">
<button id="by-folders" type="button" aria-pressed="true">Folders</button>
<button id="by-layers" type="button" aria-pressed="false">Layers</button>
</div>
</div>
<div id="map" role="tree"></div>
<p id="status" role="status" class="path"></p>
<p class="hint"><kbd>Tab</kbd> into the map, <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> to move, <kbd>Enter</kbd> to open, <kbd>Esc</kbd> to go back, <kbd>/</kbd> to search. The colour is the layer; hatched is what belongs to no package, or is hidden.</p>
</section>
<aside>
<section class="panel">
<h2 id="files-title">Largest files</h2>
<label class="away" for="search">Search paths</label>
<input id="search" type="search" placeholder="Search paths" autocomplete="off" spellcheck="false">
<p id="count" class="hint" role="status"></p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="files-title">
<table>
<thead><tr><th class="number" scope="col">Size</th><th scope="col">Path</th><th class="number" scope="col">Layer</th></tr></thead>
<tbody id="rows"></tbody>
</table>
</div>
</section>
<section class="panel" id="savings-panel">
<h2>Would save</h2>
<ul id="savings"></ul>
<p class="hint">These overlap, and do not add up.</p>
</section>
<section class="panel">
<h2>Layers, from the base up</h2>
<ul id="layers"></ul>
</section>
</aside>
</main>
<script type="application/json" id="data">${dataText(pageData(found))}</script>
<script type="module">${program}</script>
</body>
</html>
`;
}

/** What the page's program works with; the files as rows, since there may be many. */
function pageData({ files, programs, layers, savings }: Explanation): object {
  return {
    layers: layers.map(({ size, pullSize, hiddenSize, createdBy }) => ({
      size,
      pullSize,
      hiddenSize,
      createdBy,
    })),
    files: foldSmall(files, FILES).map(({ path, size, layer, hidden }) => [
      path,
      size,
      layer,
      hidden === undefined ? 0 : hidden.how === 'deleted' ? 1 : 2,
    ]),
    programs: programs.map(({ path, layer, language, parts }) => ({
      path,
      layer,
      // Where nothing belongs to a package, that needs no mark.
      parts: parts.map(({ name, size, isPackage }) => [
        name,
        size,
        isPackage || language === 'other' ? 1 : 0,
      ]),
    })),
    savings,
  };
}

type Foldable = Pick<Explanation['files'][number], 'path' | 'size' | 'layer' | 'hidden'>;

/**
 * The largest files as they are, and the others by their folders; nothing is lost of their bytes.
 * @param files the largest first
 */
export function foldSmall(files: readonly Foldable[], limit: number): readonly Foldable[] {
  const groups = new Map<string, { file: Foldable; count: number }>();
  for (const file of files.slice(limit)) {
    const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
    const key = `${file.layer} ${file.hidden?.how} ${folder}`;
    const { file: before, count } = groups.get(key) ?? { file: { ...file, path: folder, size: 0 }, count: 0 };
    groups.set(key, { file: { ...before, size: before.size + file.size }, count: count + 1 });
  }
  const folded = [...groups.values()].map(({ file, count }) => ({
    ...file,
    path: `${file.path}(${count} smaller files)`,
  }));
  return [...files.slice(0, limit), ...folded];
}

/** JSON that can stand in a script element: nothing in it ends the element or opens a comment. */
function dataText(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function escapeHtml(text: string): string {
  return sanitise(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** Beside this file in the sources; beside the bundle, or above a chunk of it, in the package; flat in the executable. */
async function asset(name: string): Promise<string> {
  const candidates = ['./page/', '../page/', './'].map((folder) =>
    fileURLToPath(new URL(folder + name, import.meta.url)),
  );
  const path = candidates.find((each) => existsSync(each));
  if (path === undefined)
    throw new OcislimError('OCISLIM_INTERNAL', `the page's ${name} is missing`, {
      hint: 'install ocislim again',
    });
  // Browsers hash what they have read, in which every line ends in the same way.
  return (await readFile(path, 'utf8')).replaceAll('\r\n', '\n');
}
