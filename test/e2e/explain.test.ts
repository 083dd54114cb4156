import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { goPackageOf } from '../../src/elf/go-functions.ts';
import { explain } from '../../src/explain/explain.ts';
import type { Explanation } from '../../src/explain/model.ts';
import { renderPage } from '../../src/explain/page.ts';
import { keepInStore } from '../../src/transports/store.ts';
import { must, root, succeeded } from '../support/cli.ts';
import { testContext } from '../support/context.ts';
import { file, folder } from '../support/entries.ts';
import { imageOf } from '../support/images.ts';
import { describeWithPeers } from '../support/peers.ts';
import { tempDir } from '../support/temp.ts';

const GO = `package main
import ("encoding/json"; "fmt"; "os")
func main() { b, _ := json.Marshal(os.Args); fmt.Println(string(b)) }
`;
const RUST =
  'use std::collections::HashMap;\nfn main() { let m: HashMap<u8, u8> = HashMap::new(); println!("{m:?}"); }\n';

async function explained(program: string, folderOf: string): Promise<Explanation> {
  const env = { OCISLIM_HOME: tempDir(), HOME: tempDir() };
  const options = { cwd: folderOf, env };
  await succeeded(['pack', program, '-t', 'made:1', '--check', 'warn', '-q'], options);
  return JSON.parse(await succeeded(['explain', 'made:1', '--json'], options)) as Explanation;
}

const sizesOf = ({ programs: [program] }: Explanation) =>
  new Map(program?.parts.map(({ name, size }) => [name, size]));

describeWithPeers('explain looks into programs', ['go', 'rustc', 'nm', 'strip'], () => {
  it('of Go, by package, and the same when stripped', async () => {
    const work = tempDir();
    writeFileSync(join(work, 'go.mod'), 'module example.com/demo\ngo 1.20\n');
    writeFileSync(join(work, 'main.go'), GO);
    const build = (name: string, flags: string) =>
      must('go', ['build', '-trimpath', `-ldflags=${flags}`, '-o', name, '.'], {
        cwd: work,
        env: { CGO_ENABLED: '0', GOCACHE: join(work, 'cache'), GOFLAGS: '', GOTOOLCHAIN: 'local' },
      });
    await build('whole', '');
    await build('stripped', '-s -w');
    const [whole, stripped] = [await explained('./whole', work), await explained('./stripped', work)];
    for (const { programs, files } of [whole, stripped]) {
      const [program] = programs;
      expect(program?.language).toBe('go');
      expect(program?.parts.reduce((sum, { size }) => sum + size, 0)).toBe(program?.size);
      expect(program?.size).toBe(files.find(({ path }) => path === program?.path)?.size);
    }
    // What Go itself says of functions; its sizes are without the padding up to the next one, at most 63 bytes each.
    const lines = (await must('go', ['tool', 'nm', '-size', 'whole'], { cwd: work })).split('\n');
    const symbols = lines
      .map((line) => /^\s*\S+\s+(\d+)\s+([Tt])\s+(.*)$/.exec(line))
      .filter((match) => match !== null);
    for (const wanted of ['fmt', 'encoding/json', 'reflect']) {
      const own = symbols.filter(([, , , name = '']) => goPackageOf(name) === wanted);
      const code = own.reduce((sum, [, size]) => sum + Number(size), 0);
      const found = sizesOf(stripped).get(wanted) ?? 0;
      expect(code).toBeGreaterThan(1000);
      expect(found).toBeGreaterThanOrEqual(code);
      expect(found).toBeLessThanOrEqual(code + 63 * own.length);
    }
    expect(sizesOf(whole).get('symbols and debug data')).toBeGreaterThan(100_000);
    expect(sizesOf(stripped).has('symbols and debug data')).toBe(false);
  });

  it.each(['legacy', 'v0'])('of Rust, by crate, with names of the form %s', async (form) => {
    const work = tempDir();
    writeFileSync(join(work, 'main.rs'), RUST);
    const flags = form === 'legacy' ? [] : ['-Csymbol-mangling-version=v0'];
    await must('rustc', ['-O', ...flags, '--crate-name', 'mine', '-o', 'program', 'main.rs'], { cwd: work });
    const found = await explained('./program', work);
    const [program] = found.programs;
    expect(program?.language).toBe('rust');
    expect(program?.parts.reduce((sum, { size }) => sum + size, 0)).toBe(program?.size);
    for (const crate of ['std', 'core', 'alloc', 'mine'])
      expect(sizesOf(found).get(crate)).toBeGreaterThan(0);
    // Symbols that c++filt and nm count for the crate, taken together, are no more than what is attributed.
    const listed = await must('nm', ['--size-sort', '-t', 'd', '-S', '--demangle=rust', 'program'], {
      cwd: work,
    });
    const std = listed.split('\n').map((line) => /^\d+ (\d+) [tT] std::/.exec(line)?.[1]);
    const sum = std.reduce((total, size) => total + Number(size ?? 0), 0);
    expect(sizesOf(found).get('std')).toBeGreaterThanOrEqual(sum);
    // Stripping saves what the tool saves, but for headers and names of sections.
    copyFileSync(join(work, 'program'), join(work, 'thin'));
    await must('strip', ['thin'], { cwd: work });
    const thin = (await explained('./thin', work)).size;
    const saving = found.savings.find(({ kind }) => kind === 'strip')?.bytes ?? 0;
    expect(Math.abs(found.size - thin - saving)).toBeLessThan(4096);
  });
});

const EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1<\u2044script>\u2028.js';

describeWithPeers('the page in Chromium', ['chromium'], () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: await chromiumPath(), args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());

  async function chromiumPath(): Promise<string> {
    return (await must('sh', ['-c', 'command -v chromium'])).trim();
  }

  interface Shown {
    readonly page: Page;
    readonly found: Explanation;
    /** What it has asked for, and what went wrong. */
    readonly requests: readonly string[];
    readonly complaints: readonly string[];
  }

  async function shown(colorScheme: 'light' | 'dark' = 'light'): Promise<Shown> {
    const context = await testContext();
    const layers = [
      [folder('d'), file('d/large', 'x'.repeat(7000)), file('d/old', 'o'.repeat(900)), file('small', 'yz')],
      [file('d/.wh.old', ''), folder('e'), file('e/other', 'w'.repeat(2100)), file(EVIL, 'v'.repeat(500))],
    ];
    await keepInStore(await imageOf({ layers }), ['docker.io/library/app:latest'], context);
    const found = await explain('app', {}, context);
    const path = join(context.cwd, 'page.html');
    writeFileSync(path, await renderPage(found));
    const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height: 800 } });
    const [requests, complaints]: [string[], string[]] = [[], []];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(pathToFileURL(path).href);
    return { page, found, requests, complaints };
  }

  const cells = (page: Page) => page.locator('#map > [role=treeitem]');
  const bytes = (page: Page) =>
    cells(page).evaluateAll((all) => all.map((each) => Number(each.getAttribute('data-bytes'))));
  const focused = (page: Page) => page.evaluate('document.activeElement.getAttribute("aria-label")');

  it('shows every byte, asks for nothing and complains of nothing', async () => {
    const { page, found, requests, complaints } = await shown();
    expect((await bytes(page)).reduce((sum, each) => sum + each, 0)).toBe(found.visibleSize);
    // 7000 in d, 2100 in e, 500, 2.
    expect(await bytes(page)).toEqual([7000, 2100, 500, 2]);
    await page.click('#by-layers');
    expect(await bytes(page)).toEqual([7902, 2600]);
    expect(found.size).toBe(7902 + 2600);
    await page.click('#theme');
    await page.fill('#search', 'other');
    expect(requests).toEqual([page.url()]);
    expect(complaints).toEqual([]);
  });

  it('draws areas in proportion to bytes, side by side', async () => {
    const { page } = await shown();
    const boxes = await cells(page).evaluateAll((all) =>
      all.map((each) => {
        const { left, top, width, height } = (each as unknown as { style: Record<string, string> }).style;
        return [left, top, width, height].map((text) => Number.parseFloat(text ?? ''));
      }),
    );
    const area = ([, , width = 0, height = 0]: readonly number[]) => width * height;
    const [first = [], second = []] = boxes;
    expect(area(first) / area(second)).toBeCloseTo(7000 / 2100, 2);
    const overlap = (a: readonly number[], b: readonly number[], at: number) =>
      Math.min((a[at] ?? 0) + (a[at + 2] ?? 0), (b[at] ?? 0) + (b[at + 2] ?? 0)) -
      Math.max(a[at] ?? 0, b[at] ?? 0);
    for (const [at, a] of boxes.entries())
      for (const b of boxes.slice(at + 1))
        expect(Math.min(overlap(a, b, 0), overlap(a, b, 1))).toBeLessThan(1.01);
  });

  it('goes by keys alone', async () => {
    const { page } = await shown();
    await page.focus('#by-layers');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toMatch(/^d, folder, 7kB, /);
    await page.keyboard.press('Enter');
    expect(await page.locator('#map').getAttribute('data-bytes')).toBe('7000');
    expect(await focused(page)).toMatch(/^large, file, 7kB, 100\.0 %$/);
    // There is nothing in a file.
    await page.keyboard.press('Enter');
    expect(await focused(page)).toMatch(/^large/);
    await page.keyboard.press('Escape');
    expect(await focused(page)).toMatch(/^d, folder/);
    await page.keyboard.press('ArrowRight');
    expect(await focused(page)).toMatch(/^e, folder/);
    await page.keyboard.press('ArrowLeft');
    expect(await focused(page)).toMatch(/^d, folder/);
    await page.keyboard.press('End');
    expect(await focused(page)).toMatch(/^small, file, 2B/);
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement.id')).toBe('search');
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineWidth');
    expect(outline).toBe('3px');
  });

  it('finds files, and leads to them, hidden ones in their layer', async () => {
    const { page } = await shown();
    await page.fill('#search', 'OLD');
    expect(await page.locator('#rows tr').count()).toBe(1);
    expect(await page.locator('#count').textContent()).toBe('1 file, 900B');
    await page.click('#rows button');
    expect(await focused(page)).toMatch(/^old, file, hidden by a layer above, 900B/);
    expect(await page.locator('#crumbs').textContent()).toBe('All layersLayer 1d');
  });

  it('shows hostile names as text', async () => {
    const { page, complaints } = await shown();
    await page.click('#by-layers');
    await page.fill('#search', 'img');
    expect(await page.locator('#rows button').textContent()).toBe(`/${EVIL.replace('\u2028', '\u00b7')}`);
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('begins as the system is, %s, and can be switched', async (scheme) => {
    const { page } = await shown(scheme);
    const theme = () => page.evaluate('document.documentElement.dataset.theme');
    expect(await theme()).toBe(scheme);
    await page.click('#theme');
    expect(await theme()).toBe(scheme === 'light' ? 'dark' : 'light');
  });

  it('fits a narrow window', async () => {
    const { page } = await shown();
    await page.setViewportSize({ width: 360, height: 700 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    expect((await bytes(page)).length).toBe(4);
  });
});

describeWithPeers('the command', ['chromium'], () => {
  it('writes a page that needs nothing beside it', async () => {
    const work = tempDir();
    copyFileSync(join(root, 'testdata/hello'), join(work, 'hello'));
    const options = { cwd: work, env: { OCISLIM_HOME: tempDir(), HOME: tempDir() } };
    await succeeded(['pack', './hello', '-t', 'hello:1'], options);
    expect(await succeeded(['explain', 'hello:1', '--html', 'page.html'], options)).toBe('page.html\n');
    expect(await must('cat', ['page.html'], { cwd: work })).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    // 165 bytes of program, and what the embedded base has.
    const found = JSON.parse(await succeeded(['explain', 'hello:1', '--json'], options)) as Explanation;
    expect(found.layers[1]?.size).toBe(165);
    expect(found.files.reduce((sum, { size }) => sum + size, 0)).toBe(found.size);
  });
});
