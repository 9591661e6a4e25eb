// pages.mjs - the pages that `make trace` writes, in a headless Chromium.
//
//   node tests/pages/pages.mjs     in the kit's top folder; the reference has been graded
//
// Its last line counts: "pages: N passed, N failed".
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
  const rings = await open(pagesOf(trace(4, 'patched_way_exits_twice'))[0]);
  check('exits: an assembler guest has source lines', await rings.evaluate(() =>
    exits.every(e => /^(rings\.long64|start)\.S:\d+$/.test(lineOf(e)))));
  await rings.close();
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

/* The boot of a Linux: the same numbers as in the text form, and the console moves with time. */
async function bootTest() {
  const id = 'linux_answers', text = trace(11, id, 'TEXT=1');
  const page = await open(pagesOf(trace(11, id)).find(file => file.endsWith('-boot.html')));
  const [, exits, vmm, bytes] = /The boot: (\d+) exits, (\d+) .* (\d+) bytes/.exec(text).map(Number);
  const totals = await page.$eval('#totals', e => e.textContent);
  check('boot: opens without an error', page.wrong.length === 0, page.wrong.join('; '));
  check('boot: exits, those to the VMM, bytes as in the text form', totals.includes(
    `${exits} VM exits, ${vmm} of them to your VMM, ${bytes} bytes`), totals);
  for (const name of ['entry', 'kernel', 'init', 'console', 'power off']) {
    const at = new RegExp(`^${name} +([\\d.]+) +\\d+$`, 'm').exec(text);
    check(`boot: the phase ${name} begins when the text says`, at &&
          Math.abs(+new RegExp(`${name} at ([\\d.]+) s`).exec(totals)?.[1] - at[1]) < 0.02, totals);
  }
  const rows = await page.$$eval('#body tr', list => list.map(row => row.innerText.split('\t')));
  const wrong = rows.filter(([name, count]) => !new RegExp(
    `^${name.replace(/[()/]/g, '\\$&')} +[\\d.]+ +${count} `, 'm').test(text));
  check('boot: what each device was asked, as in the text', rows.length > 5 && !wrong.length,
        JSON.stringify(wrong));
  check('boot: the registers of the UART', await page.$eval('#ports', e =>
    /3F8h THR, RBR\s+\d+\s+1\d\d\d/.test(e.innerText)));
  const later = () => page.$eval('#console .later', e => e.textContent.length);
  check('boot: at the end all of the console is there', await later() === 0, await later());
  await page.focus('#at');
  await page.keyboard.press('Home');
  check('boot: at the start none of it is', await later() > 1000, await later());
  await page.select('#by', 'answer');
  const label = await page.$eval('#picture', e => e.getAttribute('aria-label'));
  check('boot: by who answered', label.includes(`your VMM ${vmm}`), label);
  await roomCheck('boot', page);
  await page.close();
}

/* A page with other data in it, as a file of its own: calls test(its path). */
async function changed(file, change, test) {
  const text = readFileSync(file, 'utf8'), start = text.indexOf('>{') + 1;
  const end = text.indexOf('</script>', start), data = JSON.parse(text.slice(start, end));
  const folder = mkdtempSync(join(tmpdir(), 'pages-')), path = join(folder, 'changed.html');
  change(data);
  writeFileSync(path, text.slice(0, start) + JSON.stringify(data) + text.slice(end));
  try {
    await test(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/* The three levels of lab 10: the same numbers as in the text form, and all filters. */
async function levelsTest() {
  const id = 'exits_of_l2_go_to_their_level', text = trace(10, id, 'TEXT=1');
  const [file] = pagesOf(trace(10, id)), page = await open(file);
  const [, l2, kept, handed, l1] =
    /L2 made (\d+): L0 kept (\d+), and handed (\d+) .* made (\d+)/.exec(text).map(Number);
  const totals = await page.$eval('#totals', e => e.textContent);
  check('levels: opens without an error', page.wrong.length === 0, page.wrong.join('; '));
  check('levels: whose exits they are, and who got them', totals.endsWith(
    `${l2} of L2 (L0 kept ${kept}, handed ${handed} on to L1), ${l1} of L1`), totals);
  const opened = await page.$eval('#chosen', e => e.textContent);
  const round = () => page.$eval('#life', e => e.textContent);
  check('levels: opens at the first exit that L1 got', /answered byL1/.test(opened) &&
        await round() === `round 1 of ${handed}`, `${await round()}: ${opened}`);
  await page.keyboard.press('n');
  check('levels: a key shows the next round of L2', await round() === `round 2 of ${handed}`, await round());
  const percents = line => [...line.matchAll(/(\d+\.\d)%/g)].map(m => m[1]).join(' ');
  const shares = await page.$eval('#share', e => e.getAttribute('aria-label'));
  check('levels: the shares of time are those of the text form',
        percents(shares).split(' ').length === 4 &&
        percents(shares) === percents(/Share of time.*/.exec(text)[0]), shares);
  const boxes = await page.$$eval('#filters label', list => list.map(e => e.textContent));
  const box = boxes.findIndex(t => t.startsWith('L1 ') && +t.split(' ').pop() === handed);
  for (const [i, input] of (await page.$$('#filters input')).entries())
    if (/^L0/.test(boxes[i])) await input.click();
  const rows = await page.$eval('#table', e => +e.getAttribute('aria-rowcount'));
  check('levels: a filter leaves what L1 got', box >= 0 && rows === handed + 1, `${rows}`);
  await page.keyboard.press('Home');
  const facts = await page.$eval('#chosen', e => e.textContent);
  check('levels: what an exit of L2 costs', /because.*L1/.test(facts) &&
        /until L2 ran[\d.]+ us, \d+ exits of L1/.test(facts), facts);
  const sources = await page.$$eval('#body td:last-child', list => list.map(e => e.textContent));
  check('levels: source lines of L2', sources.some(t => /l2\.long64\.c:\d+/.test(t)));
  const data = JSON.parse(await page.$eval('#data', e => e.textContent));
  check('levels: and of the student\'s hypervisor, or what stands around it',
        data.lines.some(t => /^(small_hypervisor\.svm\.c|svm_enter\.S):\d+/.test(t)),
        data.lines.join(' '));
  await roomCheck('levels', page);
  await page.close();
  const linked = await open(file, '#exit=300');
  const seen = await linked.evaluate(() => {
    const row = byId('row299')?.getBoundingClientRect(), box = byId('rows').getBoundingClientRect();
    return Boolean(row) && row.top >= box.top && row.bottom <= box.bottom;
  });
  check('levels: the row of the exit that is asked for can be seen', seen);
  await linked.close();
}

/* A check that failed: its page says so, and opens there. */
async function failedTest() {
  const failed = number => data => {
    data.failed = { asked: 'one thing', seen: 'another <b>', number };
  };
  const opened = async (name, file, number, where, hash = '') => {
    await changed(file, failed(number), async path => {
      const page = await open(path, hash);
      const note = await page.$eval('#failed', e => e.textContent);
      check(`${name}: says what was asked and seen`,
            /one thing.*another <b>/.test(note) && page.wrong.length === 0, note);
      await where(page);
      await page.close();
    });
  };
  const current = async page =>
    page.$$eval('#body tr', list => list.findIndex(e => e.getAttribute('aria-current') === 'true'));
  const exits = pagesOf(trace(3, 'counters_agree_with_the_kernel'))[0];
  const chosen = async page => +await page.$eval('#chosen dd', e => e.textContent);
  await opened('failed exits', exits, 7, async page =>
    check('failed exits: opens there', await chosen(page) === 7, await chosen(page)));
  await opened('failed exits, linked', exits, 7, async page =>
    check('failed exits: a link goes first', await chosen(page) === 9, await chosen(page)),
    '#exit=9');
  for (const [name, lab, id, number, row] of
       [['interrupt', 7, 'halted_vcpu_is_woken', 5, 5], ['fault', 9, 'demand_works_on_the_device', 3, 2],
        ['walk', 5, 'caches_save_references', 4, 3]])
    await opened(`failed ${name}`, pagesOf(trace(lab, id)).at(-1), number, async page =>
      check(`failed ${name}: opens there`, await current(page) === row, await current(page)));
  await opened('failed fault, no number', pagesOf(trace(9, 'demand_works_on_the_device')).at(-1), 0,
    async page => {
      const rows = await page.$$eval('#body tr', list => list.length);
      check('failed fault: without a number it is the last', await current(page) === rows - 1);
    });
}

/* A hundred thousand exits: the page of a run, with its rows many times over. */
async function manyTest() {
  const [file] = pagesOf(trace(3, 'counters_agree_with_the_kernel'));
  check('exits: the file is small', statSync(file).size < 1 << 20, statSync(file).size);
  await changed(file, rowsMultiply, manyLook);
}

function rowsMultiply(data) {
  const base = data.exits, last = base.at(-1)[0] + 1e6;
  data.exits = Array.from({ length: 100000 }, (_, i) => {
    const e = [...base[i % base.length]], shift = Math.floor(i / base.length) * last;
    for (const time of [0, 4, 5, 6]) /* exit; entry before it; to the VMM; entry after it */
      if (e[time] || time === 0) e[time] += shift;
    return e;
  });
}

async function manyLook(big) {
  const page = await open(big);
  const rows = await page.$$eval('#body tr', list => list.length);
  check('100,000 exits: only the rows that show are there', rows < 200, `${rows} rows`);
  const drawn = await page.evaluate(() => {
    let calls = 0;
    const fill = CanvasRenderingContext2D.prototype.fillRect;
    CanvasRenderingContext2D.prototype.fillRect = function (...a) { calls++; fill.apply(this, a); };
    linePaint();
    return calls;
  });
  check('100,000 exits: drawing is bounded by the pixels', drawn < 20000, `${drawn} rectangles`);
  await page.keyboard.press('End');
  await page.keyboard.press('z');
  const chosen = await page.$eval('#chosen dd', e => e.textContent);
  check('100,000 exits: the last one is a key away', chosen === '100000', chosen);
  const paints = await page.evaluate(() => new Promise(done => {
    let fills = 0;
    const clip = CanvasRenderingContext2D.prototype.clip; /* once a painting */
    CanvasRenderingContext2D.prototype.clip = function (...a) { fills++; clip.apply(this, a); };
    for (let i = 0; i < 50; i++) zoom(i % 2 ? 0.5 : 1.5, span / 2);
    requestAnimationFrame(() => requestAnimationFrame(() => done(fills)));
  }));
  check('100,000 exits: however much it is zoomed, one painting a frame', paints === 1, paints);
  check('100,000 exits: no error', page.wrong.length === 0, page.wrong.join('; '));
  await page.close();
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
  const label = await page.$eval('svg[role=img], canvas[role=img]', e => e.getAttribute('aria-label'));
  check(`${name}: the picture has words`, label && label.length > 10, label);
  await page.keyboard.press('ArrowRight');
  const next = await page.$eval('#now', e => e.textContent);
  check(`${name}: the keyboard goes on`, first !== next, next);
  const current = await page.$$eval('tr[aria-current=true]', list => list.length);
  check(`${name}: one row is the current one`, current === 1, current);
  await roomCheck(name, page);
  await page.close();
}

/* The dots say what the devices want; a bit that is wrong has a colour of its own. */
async function bitmapTest() {
  const [file] = pagesOf(trace(6, 'random_walk_exits_where_you_decided')), page = await open(file);
  const label = () => page.$eval('#dots', e => e.getAttribute('aria-label'));
  const before = await label();
  check('bitmap: no port is as it should not be',
        /; 0 ports: passes, but is of no passed device; 0 ports: exits, but is of a passed/.test(before),
        before);
  await page.hover('#dots');
  await page.mouse.wheel({ deltaY: -500 });
  const hover = await page.$eval('#hover', e => e.textContent);
  check('bitmap: a port says its bit', /^port [0-9a-f]{4}h: .*bitmap [AB], byte \w+h, bit \d/.test(hover), hover);
  await page.close();
  await changed(file, data => { data.run.passing.push(0x9000, 0x9003); }, async path => {
    const other = await open(path);
    const seen = await other.$eval('#dots', e => e.getAttribute('aria-label'));
    check('bitmap: what passes too much is seen', /; 4 ports: passes, but is of no passed/.test(seen), seen);
    await other.close();
  });
}

/* A walk that went wrong: what was due stands beside what was read. */
async function wrongWalkTest() {
  const folder = mkdtempSync(join(tmpdir(), 'pages-')), id = 'stale_translations_are_forgotten';
  cpSync('solutions', folder, { recursive: true });
  execFileSync('sh', ['-c', 'sed 1,2d "$1" | patch -s -d "$2/05-ept-walk" -p1', '-',
    'grader/mutants/05-ept-walk/cache-compares-the-index-only.patch', folder]);
  try {
    execFileSync(grader, ['grade', 'LAB=5', `CHECK=${id}`, `FROM=${folder}`, 'SEED=7'], { stdio: 'ignore' });
  } catch { /* it fails, and is to */ }
  const text = execFileSync(grader, ['trace', 'LAB=5', `CHECK=${id}`, `FROM=${folder}`], { encoding: 'utf8' });
  const page = await open(pagesOf(text).at(-1));
  const now = await page.$eval('#now', e => e.textContent), about = await page.$eval('#about', e => e.textContent);
  const missing = await page.$$eval('.cell.missing', list => list.length);
  check('wrong walk: opens at the reference that is wrong, and says which was due',
        /something else at HPA 0x\w+; due is 0x\w+, the EPT's/.test(now) && missing > 0, `${now}; ${missing}`);
  check('wrong walk: says how it ended, and how it should', /VIOLATION.*Due: TRANSLATED/.test(about), about);
  const before = await page.$$eval('#walks option', list => list.length);
  check('wrong walk: what came before it is there', before > 1, before);
  await page.close();
  rmSync(folder, { recursive: true });
}

/* A fault record, field by field, as the register has it. */
async function recordTest() {
  const [file] = pagesOf(trace(9, 'demand_works_on_the_device')), page = await open(file, '#step=2');
  const fields = await page.$eval('#record', e => e.textContent);
  check('fault: the record is decoded', /T1: a read.*reason06h.*source-id0028h: 00:05\.0.*FIIOVA/.test(fields),
        fields);
  await page.close();
}

try {
  await bootTest();
await timelineTest();
  await levelsTest();
  await failedTest();
  await manyTest();
  await stepsTest('walk', 5, 'caches_save_references', run => run.walks[0].references.length);
  const walks = JSON.parse(readFileSync(pagesOf(trace(5, 'caches_save_references'))[0], 'utf8')
    .match(/>(\{.*\})\s*<\/script>/s)[1]).run.walks;
  check('walk: 24 references without caches, none for the same page again',
        walks[0].references.length === 24 && walks[2].references.length === 0,
        walks.map(w => w.references.length).join(' '));
  await stepsTest('bitmap', 6, 'random_walk_exits_where_you_decided', run => run.accesses.length);
  await bitmapTest();
  await recordTest();
  await wrongWalkTest();
  await stepsTest('interrupt', 7, 'halted_vcpu_is_woken', run => run.steps.length + 1);
  await stepsTest('fault', 9, 'demand_works_on_the_device', run => run.events.length);
} finally {
  await browser.close();
}
console.log(`pages: ${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
