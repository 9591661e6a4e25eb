// pages.mjs - the pages that `make trace` writes, in a headless Chromium.
//
//   node tests/pages/pages.mjs     in the kit's top folder; the reference has been graded
//
// Its last line counts: "pages: N passed, N failed".
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { browserFind } from '../../slides/browser.mjs';

const puppeteer = createRequire(resolve('slides/package.json'))('puppeteer-core');
const grader = 'build/bin/grader';
let passed = 0, failed = 0;

function check(name, ok, seen = '') {
  ok ? passed++ : failed++;
  console.log(`  ${ok ? 'ok   ' : 'FAIL '} ${name}${ok ? '' : `: ${seen}`}`);
}

function trace(lab, id, ...more) {
  return execFileSync(grader, ['trace', `LAB=${lab}`, `CHECK=${id}`, 'FROM=solutions', ...more],
                      { encoding: 'utf8' });
}
const pagesOf = output => [...output.matchAll(/^ {2}(build\/trace\/\S+\.html)$/gm)].map(m => m[1]);

const browser = await puppeteer.launch({
  executablePath: browserFind(), args: ['--no-sandbox', '--disable-gpu'] });

/* Opens a file; gathers what goes wrong and what it tries to fetch. */
async function open(file, hash = '') {
  const page = await browser.newPage();
  page.wrong = [];
  page.on('pageerror', e => page.wrong.push(e.message));
  page.on('console', m => m.type() === 'error' && page.wrong.push(m.text()));
  page.on('request', r => r.url().startsWith('file:') || r.url().startsWith('data:') ||
                          page.wrong.push(`fetches ${r.url()}`));
  await page.setViewport({ width: 1280, height: 720 });
  await page.goto(pathToFileURL(resolve(file)).href + hash);
  return page;
}

async function roomCheck(name, page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(`${name}: fits 1280 x 720`, wide <= 1280, `${wide} px wide`);
}

async function timelineTest() {
  const id = 'counters_agree_with_the_kernel', text = trace(3, id, 'TEXT=1');
  const [file] = pagesOf(trace(3, id)), page = await open(file);
  const exits = +/(\d+) VM exits/.exec(text)[1];
  const totals = await page.$eval('#totals', e => e.textContent);
  const rows = await page.$eval('#table', e => +e.getAttribute('aria-rowcount'));

  check('exits: opens without an error', page.wrong.length === 0, page.wrong.join('; '));
  check('exits: as many as the text form has', totals.startsWith(`${exits} VM exits`) &&
        rows === exits + 1, `${totals}; ${rows} rows; ${exits} in the text`);
  const user = [...text.matchAll(/^[> ] *\d+ +[\d.]+ .* VMM /gm)].length;
  check('exits: as many to the VMM', totals.includes(` ${user} of them`), `${totals}; ${user}`);
  const sources = await page.$$eval('#body td:last-child', list => list.map(e => e.textContent));
  check('exits: the guest\'s source line is there', sources.some(t => /tour\.long64\.c:\d+/.test(t)));

  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const second = await page.$eval('#chosen dd', e => e.textContent);
  check('exits: the keyboard chooses', second === '3', second);
  const before = await page.$eval('#line', e => e.getAttribute('aria-label'));
  await page.keyboard.press('+');
  const after = await page.$eval('#line', e => e.getAttribute('aria-label'));
  check('exits: the keyboard zooms', before !== after, after);
  await page.keyboard.press('0');
  const again = await page.$eval('#line', e => e.getAttribute('aria-label'));
  check('exits: 0 shows all again', again === before, again);
  await page.hover('#line');
  await page.mouse.wheel({ deltaY: -300 });
  await page.waitForFunction(
    label => document.getElementById('line').getAttribute('aria-label') !== label, {}, before);
  check('exits: the wheel zooms', true);

  const io = await page.$$eval('#filters label', list =>
    list.findIndex(e => e.textContent.startsWith('io')));
  const count = await page.$$eval('#filters label', (list, i) =>
    +list[i].textContent.split(' ').pop(), io);
  await (await page.$$('#filters input'))[io].click();
  const fewer = await page.$eval('#table', e => +e.getAttribute('aria-rowcount'));
  check('exits: the filter hides one reason', fewer === rows - count, `${fewer} of ${rows}`);

  const nodes = [];
  const gather = node => { nodes.push(node); (node.children ?? []).forEach(gather); };
  gather(await page.accessibility.snapshot({ interestingOnly: false }));
  for (const [roles, name] of [[['grid', 'table'], 'VM exits'], [['checkbox'], 'io'],
                               [['image', 'img'], 'Timeline'], [['row'], '']])
    check(`exits: a screen reader finds the ${roles[0]} ${name}`.trim(),
          nodes.some(n => roles.includes(n.role) && (n.name ?? '').trim().startsWith(name)),
          [...new Set(nodes.map(n => n.role))].join(' '));
  await roomCheck('exits', page);
  await page.close();
  const linked = await open(file, '#exit=5');
  check('exits: a link leads to its exit',
        await linked.$eval('#chosen dd', e => e.textContent) === '5');
  await linked.close();
}

/* A hundred thousand exits: the page of a run, with its rows many times over. */
async function manyTest() {
  const [file] = pagesOf(trace(3, 'counters_agree_with_the_kernel'));
  const text = readFileSync(file, 'utf8'), start = text.indexOf('>{') + 1;
  const end = text.indexOf('</script>', start), data = JSON.parse(text.slice(start, end));
  const base = data.exits, last = base.at(-1)[0] + 1e6;
  data.exits = Array.from({ length: 100000 }, (_, i) => {
    const e = [...base[i % base.length]], shift = Math.floor(i / base.length) * last;
    for (const time of [0, 4, 5, 6]) /* exit; entry before it; to the VMM; entry after it */
      if (e[time] || time === 0) e[time] += shift;
    return e;
  });
  const folder = mkdtempSync(join(tmpdir(), 'pages-'));
  const big = join(folder, 'big.html');
  writeFileSync(big, text.slice(0, start) + JSON.stringify(data) + text.slice(end));
  const page = await open(big);
  const rows = await page.$$eval('#body tr', list => list.length);
  check('100,000 exits: only the rows that show are there', rows < 200, `${rows} rows`);
  const drawn = await page.evaluate(() => {
    let calls = 0;
    const fill = CanvasRenderingContext2D.prototype.fillRect;
    CanvasRenderingContext2D.prototype.fillRect = function (...a) { calls++; fill.apply(this, a); };
    lineDraw();
    return calls;
  });
  check('100,000 exits: drawing is bounded by the pixels', drawn < 20000, `${drawn} rectangles`);
  check('100,000 exits: no error', page.wrong.length === 0, page.wrong.join('; '));
  await page.close();
  rmSync(folder, { recursive: true });
}

/* The views with steps: a table that the keyboard walks through, and a picture beside it. */
async function stepsTest(name, lab, id, rowsExpected) {
  const files = pagesOf(trace(lab, id)), page = await open(files.at(-1));
  const data = JSON.parse(await page.$eval('#data', e => e.textContent));
  check(`${name}: opens without an error`, page.wrong.length === 0, page.wrong.join('; '));
  const rows = await page.$$eval('#body tr', list => list.length);
  check(`${name}: a row for each step of the evidence`, rows === rowsExpected(data.run),
        `${rows}, ${rowsExpected(data.run)}`);
  const first = await page.$eval('#now', e => e.textContent);
  const label = await page.$eval('svg[role=img]', e => e.getAttribute('aria-label'));
  check(`${name}: the picture has words`, label && label.length > 10, label);
  await page.keyboard.press('ArrowRight');
  const next = await page.$eval('#now', e => e.textContent);
  check(`${name}: the keyboard goes on`, first !== next, next);
  const current = await page.$$eval('tr[aria-current=true]', list => list.length);
  check(`${name}: one row is the current one`, current === 1, current);
  await roomCheck(name, page);
  await page.close();
}

try {
  await timelineTest();
  await manyTest();
  await stepsTest('walk', 5, 'caches_save_references', run => run.walks[0].references.length);
  const walks = JSON.parse(readFileSync(pagesOf(trace(5, 'caches_save_references'))[0], 'utf8')
    .match(/>(\{.*\})\s*<\/script>/s)[1]).run.walks;
  check('walk: 24 references without caches, none for the same page again',
        walks[0].references.length === 24 && walks[2].references.length === 0,
        walks.map(w => w.references.length).join(' '));
  await stepsTest('interrupt', 7, 'halted_vcpu_is_woken', run => run.steps.length + 1);
  await stepsTest('fault', 9, 'demand_works_on_the_device', run => run.events.length);
} finally {
  await browser.close();
}
console.log(`pages: ${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
