// The page's own program: it reads the data beside it, and asks nothing of anybody. Whatever an image's files are called
// gets into the page as text alone.
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);

/** Control characters and marks that turn the direction of text would let a name look like another. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const clean = (text) => text.replace(UNSAFE, '\u00b7');

function humanSize(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}

function element(tag, { text, className, ...attributes } = {}, children = []) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// The trees: a node has a name, bytes, and either children or a layer.

function newNode(name, parent, more = {}) {
  return { name, parent, size: 0, children: new Map(), ...more };
}

function add(root, path, leaf) {
  let at = root;
  root.size += leaf.size;
  const parts = path.split('/');
  const name = parts.pop();
  for (const part of parts) {
    let child = at.children.get(part);
    if (child === undefined) {
      child = newNode(part, at);
      at.children.set(part, child);
    }
    child.size += leaf.size;
    at = child;
  }
  const made = newNode(name, at, leaf);
  // In the tree by layers nothing is there twice; a file in the place of a folder gets a key of its own.
  at.children.set(at.children.has(name) ? `${name}\u0000${at.children.size}` : name, made);
  return made;
}

const programs = new Map(data.programs.map((program) => [`${program.layer}:${program.path}`, program.parts]));

function addFile(root, [path, size, layer, hidden]) {
  const made = add(root, path, { size, layer, hidden: hidden !== 0 });
  for (const [name, bytes, isPackage] of hidden ? [] : (programs.get(`${layer}:${path}`) ?? []))
    made.children.set(name, newNode(name, made, { size: bytes, layer, isPart: true, isRest: !isPackage }));
}

const layerName = (at) => `Layer ${at + 1}`;

const roots = {
  folders: (() => {
    const root = newNode('/');
    for (const file of data.files) if (file[3] === 0) addFile(root, file);
    return root;
  })(),
  layers: (() => {
    const root = newNode('All layers');
    data.layers.forEach((_, at) => {
      root.children.set(`${at}`, newNode(layerName(at), root, { isLayer: true }));
    });
    for (const file of data.files) {
      const layer = root.children.get(`${file[2]}`);
      root.size += file[1];
      addFile(layer, file);
    }
    return root;
  })(),
};

const childrenOf = (node) =>
  [...node.children.values()].filter(({ size }) => size > 0).sort((a, b) => b.size - a.size);
const isOpen = (node) => node.children.size > 0 && node.size > 0;

function pathOf(node) {
  const names = [];
  for (let at = node; at.parent !== undefined && !at.isLayer; at = at.parent) names.unshift(at.name);
  return `/${names.join('/')}`;
}

/**
 * Squarified treemap (Bruls, Huizing, van Wijk 2000): rows along the shorter side, each as long as its rectangles get squarer by it.
 */
function squarify(nodes, { x, y, width, height }) {
  const total = nodes.reduce((sum, node) => sum + node.size, 0);
  const scale = (width * height) / total;
  const placed = [];
  const free = { x, y, width, height };
  let row = [];
  let rowSize = 0;
  const worst = (largest, smallest, area) => {
    const side = Math.min(free.width, free.height);
    return Math.max((side * side * largest) / (area * area), (area * area) / (side * side * smallest));
  };
  const flush = () => {
    const isTall = free.width >= free.height;
    const side = isTall ? free.height : free.width;
    const depth = side === 0 ? 0 : (rowSize * scale) / side;
    let along = isTall ? free.y : free.x;
    for (const node of row) {
      const length = depth === 0 ? 0 : (node.size * scale) / depth;
      placed.push(
        isTall
          ? { node, x: free.x, y: along, width: depth, height: length }
          : { node, x: along, y: free.y, width: length, height: depth },
      );
      along += length;
    }
    if (isTall) {
      free.x += depth;
      free.width = Math.max(0, free.width - depth);
    } else {
      free.y += depth;
      free.height = Math.max(0, free.height - depth);
    }
    row = [];
    rowSize = 0;
  };
  for (const node of nodes) {
    const largest = (row[0] ?? node).size * scale;
    const before = row.length === 0 ? Infinity : worst(largest, row.at(-1).size * scale, rowSize * scale);
    if (row.length > 0 && worst(largest, node.size * scale, (rowSize + node.size) * scale) > before) flush();
    row.push(node);
    rowSize += node.size;
  }
  if (row.length > 0) flush();
  return placed;
}

// The map.

const map = $('map');
const TITLE = 19;
/** Rectangles that are drawn; smaller ones would not be seen. */
const CELLS = 2500;
/** Folders within folders that are drawn. */
const DEPTH = 10;
let view = 'folders';
let root = roots.folders;
let query = '';
let drawn = 0;

function matches(node) {
  if (query === '') return true;
  if (pathOf(node).toLowerCase().includes(query)) return true;
  for (const child of node.children.values()) if (matches(child)) return true;
  return false;
}

function cellOf({ node, x, y, width, height }, isTop) {
  const made = element('div', { className: 'cell' });
  Object.assign(made.style, {
    left: `${x}px`,
    top: `${y}px`,
    width: `${Math.max(1, width)}px`,
    height: `${Math.max(1, height)}px`,
  });
  const isFolder = isOpen(node);
  made.classList.toggle('folder', isFolder);
  made.classList.toggle('in', isFolder && isTop);
  made.classList.toggle('rest', node.isRest === true);
  made.classList.toggle('hidden', node.hidden === true);
  made.classList.toggle('dim', query !== '' && !isFolder && !matches(node));
  if (!isFolder) paintLayer(made, node);
  const slash = kindOf(node) === 'folder' ? '/' : '';
  if (width > 34 && height > 16) made.append(element('span', { text: clean(node.name) + slash }));
  const size = () => element('span', { className: 'size', text: humanSize(node.size) });
  if (isFolder && width > 150 && height > 16) made.firstChild.append(' ', size());
  else if (!isFolder && width > 50 && height > 34) made.append(size());
  drawn++;
  return made;
}

const paintLayer = (cell, { layer = 0 }) => {
  cell.style.backgroundColor = `var(--c${layer % 8})`;
};

/** What a folder has in it is drawn within, for a look ahead; only the folder itself can be reached. */
function fill(cell, place, depth) {
  const inner = { x: 2, y: TITLE, width: place.width - 6, height: place.height - TITLE - 4 };
  if (depth === 0 || inner.width < 24 || inner.height < 18 || drawn > CELLS) {
    if (place.node.layer !== undefined) paintLayer(cell, place.node);
    return;
  }
  for (const child of squarify(childrenOf(place.node), inner)) {
    if (child.width < 3 || child.height < 3 || drawn > CELLS) continue;
    const made = cellOf(child, false);
    made.title = `${clean(pathOf(child.node))}  ${humanSize(child.node.size)}`;
    cell.append(made);
    if (isOpen(child.node)) fill(made, child, depth - 1);
  }
}

const kindOf = (node) => {
  if (node.isLayer) return 'layer';
  if (node.isPart) return node.isRest ? 'of no package' : 'part of a program';
  if (node.layer === undefined) return 'folder';
  const kind = isOpen(node) ? 'program' : 'file';
  return node.hidden ? `${kind}, hidden by a layer above` : kind;
};

function describe(node) {
  const share = root.size === 0 ? 0 : (100 * node.size) / root.size;
  return `${clean(node.name)}, ${kindOf(node)}, ${humanSize(node.size)}, ${share.toFixed(1)} %`;
}

let cells = [];

function draw(focused) {
  const { clientWidth: width, clientHeight: height } = map;
  drawn = 0;
  cells = squarify(childrenOf(root), { x: 0, y: 0, width, height }).map((place) => {
    const cell = cellOf(place, true);
    cell.setAttribute('role', 'treeitem');
    cell.setAttribute('tabindex', '-1');
    cell.setAttribute('aria-label', describe(place.node));
    cell.setAttribute('data-bytes', String(place.node.size));
    cell.title = describe(place.node);
    if (isOpen(place.node)) cell.setAttribute('aria-expanded', 'false');
    fill(cell, place, DEPTH);
    cell.addEventListener('click', () => enter(place.node));
    cell.addEventListener('focus', () => choose(cell));
    return { ...place, cell };
  });
  map.replaceChildren(...cells.map(({ cell }) => cell));
  map.setAttribute('data-bytes', String(root.size));
  map.setAttribute('aria-label', `Map of ${root.parent === undefined ? 'the image' : clean(pathOf(root))}`);
  const chosen = cells.find(({ node }) => node === focused) ?? cells[0];
  chosen?.cell.setAttribute('tabindex', '0');
  crumbs();
  say();
  if (focused !== undefined) chosen?.cell.focus();
}

function choose(cell) {
  for (const each of cells) each.cell.setAttribute('tabindex', each.cell === cell ? '0' : '-1');
  const found = cells.find((each) => each.cell === cell);
  if (found !== undefined) $('status').textContent = describe(found.node);
}

function say() {
  const count = cells.length;
  const where = root.parent === undefined ? root.name : root.isLayer ? root.name : pathOf(root);
  $('status').textContent =
    `${clean(where)}: ${humanSize(root.size)} in ${count} ${count === 1 ? 'part' : 'parts'}`;
}

function enter(node) {
  if (!isOpen(node)) return;
  root = node;
  draw(childrenOf(node)[0]);
}

function leave() {
  if (root.parent === undefined) return;
  const before = root;
  root = root.parent;
  draw(before);
}

function crumbs() {
  const trail = [];
  for (let at = root; at !== undefined; at = at.parent) trail.unshift(at);
  const buttons = trail.map((node) => {
    const isLast = node === root;
    const made = element('button', {
      type: 'button',
      className: 'path',
      text: clean(node.name),
      'aria-current': isLast ? 'location' : undefined,
    });
    made.addEventListener('click', () => {
      const below = trail[trail.indexOf(node) + 1];
      root = node;
      draw(below ?? childrenOf(node)[0]);
    });
    return made;
  });
  $('crumbs').replaceChildren(...buttons);
}

/** The next rectangle in a direction: near, and not far to the side. */
function neighbour(from, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const centre = ({ x, y, width, height }) => [x + width / 2, y + height / 2];
  const [x, y] = centre(from);
  let best;
  let least = Infinity;
  for (const each of cells) {
    const [cx, cy] = centre(each);
    const ahead = (cx - x) * dx + (cy - y) * dy;
    if (each === from || ahead <= 0.5) continue;
    const aside = Math.abs((cx - x) * dy) + Math.abs((cy - y) * dx);
    const distance = ahead + 2 * aside;
    if (distance < least) [best, least] = [each, distance];
  }
  return best;
}

map.addEventListener('keydown', (event) => {
  const current = cells.find(({ cell }) => cell === document.activeElement);
  if (current === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  if (key.startsWith('Arrow')) neighbour(current, key)?.cell.focus();
  else if (key === 'Enter' || key === ' ') enter(current.node);
  else if (key === 'Escape' || key === 'Backspace') leave();
  else if (key === 'Home') cells[0]?.cell.focus();
  else if (key === 'End') cells.at(-1)?.cell.focus();
  else return;
  event.preventDefault();
});

function show(name) {
  view = name;
  root = roots[name];
  for (const each of ['folders', 'layers'])
    $(`by-${each}`).setAttribute('aria-pressed', String(each === view));
  draw();
}
for (const each of ['folders', 'layers']) $(`by-${each}`).addEventListener('click', () => show(each));

// The table.

const ROWS = 200;

function reveal([path, , layer, hidden]) {
  const inLayers = hidden !== 0 || view === 'layers';
  view = inLayers ? 'layers' : 'folders';
  for (const each of ['folders', 'layers'])
    $(`by-${each}`).setAttribute('aria-pressed', String(each === view));
  let node = inLayers ? roots.layers.children.get(`${layer}`) : roots.folders;
  for (const part of path.split('/')) node = node?.children.get(part) ?? node;
  root = node.parent ?? node;
  draw(node);
}

function list() {
  const found = data.files.filter(([path]) => query === '' || `/${path}`.toLowerCase().includes(query));
  const rows = found.slice(0, ROWS).map((file) => {
    const [path, size, layer, hidden] = file;
    const button = element('button', { type: 'button', className: 'path', text: `/${clean(path)}` });
    button.addEventListener('click', () => reveal(file));
    const where = element('td', { className: 'number', text: String(layer + 1) });
    const name = element('td', { className: hidden === 0 ? '' : 'gone' }, [button]);
    if (hidden !== 0)
      name.append(
        element('span', { className: 'by', text: `${hidden === 1 ? 'deleted' : 'replaced'} above` }),
      );
    return element('tr', {}, [element('td', { className: 'number', text: humanSize(size) }), name, where]);
  });
  $('rows').replaceChildren(...rows);
  const sum = found.reduce((total, [, size]) => total + size, 0);
  $('count').textContent =
    `${found.length} ${found.length === 1 ? 'file' : 'files'}, ${humanSize(sum)}${found.length > ROWS ? `; the largest ${ROWS} are shown` : ''}`;
}

$('search').addEventListener('input', () => {
  query = $('search').value.trim().toLowerCase();
  list();
  draw();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target === $('search') || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  $('search').focus();
});

// Beside it.

function track(share) {
  const made = element('div', { className: 'track' }, [element('i')]);
  made.firstChild.style.width = `${Math.min(100, 100 * share)}%`;
  return made;
}

const largest = Math.max(1, ...data.layers.map(({ size }) => size));
$('layers').replaceChildren(
  ...data.layers.map(({ size, pullSize, hiddenSize, createdBy }, at) => {
    const swatch = element('span', { className: 'swatch' });
    swatch.style.backgroundColor = `var(--c${at % 8})`;
    const hidden = hiddenSize === 0 ? '' : `, ${humanSize(hiddenSize)} hidden`;
    const text = `${layerName(at)}: ${humanSize(size)}, ${humanSize(pullSize)} to pull${hidden}`;
    const by =
      createdBy === undefined
        ? []
        : [element('span', { className: 'by path', text: clean(createdBy).slice(0, 300) })];
    return element('li', {}, [swatch, text, ...by, track(size / largest)]);
  }),
);
if (data.savings.length === 0) $('savings-panel').remove();
else
  $('savings').replaceChildren(
    ...data.savings.map(({ bytes, of, message }) =>
      element('li', {}, [
        element('strong', { text: humanSize(bytes) }),
        ` ${message}`,
        element('span', {
          className: 'by',
          text: of === 'pull' ? 'of what a pull moves' : 'of the unpacked files',
        }),
      ]),
    ),
  );

// Light and dark: what the system wants until somebody says otherwise.

const dark = matchMedia('(prefers-color-scheme: dark)');
let theme;
function paint() {
  const shown = theme ?? (dark.matches ? 'dark' : 'light');
  document.documentElement.setAttribute('data-theme', shown);
  $('theme').textContent = shown === 'dark' ? 'Light' : 'Dark';
  $('theme').setAttribute('aria-label', `Switch to ${shown === 'dark' ? 'light' : 'dark'} colours`);
}
dark.addEventListener('change', paint);
$('theme').addEventListener('click', () => {
  theme = document.documentElement.getAttribute('data-theme') === 'dark' ? 'light' : 'dark';
  paint();
});
paint();

list();
show('folders');
let width = map.clientWidth;
new ResizeObserver(() => {
  if (map.clientWidth === width) return;
  width = map.clientWidth;
  const focused = cells.find(({ cell }) => cell === document.activeElement)?.node;
  draw(focused);
}).observe(map);
