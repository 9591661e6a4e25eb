// book.mjs - the links of the book, and its pages in a headless Chromium.
//
//   node tests/book/book.mjs [FOLDER]     FOLDER: what `make book` made (build/book)
//
// Handout, contract, slide and check name each other: each of these links has to lead somewhere.
// Then the pages as a reader has them, from a folder: nothing is fetched, the search finds, a
// phone is wide enough, dark is dark. The last line reads: book: N passed, N failed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const out = resolve(process.argv[2] ?? join(top, 'build/book'));
const puppeteer = createRequire(join(top, 'slides/package.json'))('puppeteer-core');
const load = (file) => import(pathToFileURL(join(top, file)));
const { browserFind } = await load('slides/browser.mjs');
const { kitLoad, slideFind } = await load('book/kit.mjs');
const { handoutPlace } = await load('book/pages.mjs');

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
let passed = 0, failed = 0;

function test(name, problems) {
  problems.length ? failed++ : passed++;
  if (problems.length) console.log(`  FAIL  ${name}`);
  for (const problem of problems.slice(0, 8)) console.log(`        ${problem}`);
  if (problems.length > 8) console.log(`        ... and ${problems.length - 8} more`);
}

// --- links -------------------------------------------------------------------------------------------

const kit = kitLoad();
const files = readdirSync(out, { recursive: true }).map(String).filter((f) => f.endsWith('.html'));
const own = files.filter((f) => !/^(slides|pictures)\//.test(f)).sort();
const html = Object.fromEntries(own.map((f) => [f, readFileSync(join(out, f), 'utf8')]));
const places = Object.fromEntries(own.map((f) =>
  [f, new Set([...html[f].matchAll(/ id="([^"]*)"/g)].map((m) => m[1]))]));
const slideCount = Object.fromEntries(kit.decks.map((d) => [`slides/${d.name}.html`, d.slides.length]));

/* Why a link of a page leads nowhere; '': it does not. */
function linkFault(page, href) {
  if (/^https:\/\/[\w.-]+\//.test(href)) return '';
  const [path, place] = href.split('#');
  const file = path ? posix.join(posix.dirname(page), path) : page;
  if (!existsSync(join(out, file))) return `${href}: no such page`;
  if (place === undefined) return '';
  if (slideCount[file]) return place >= 1 && place <= slideCount[file] ? '' : `${href}: no such slide`;
  return places[file] && !places[file].has(place) ? `${href}: no such place` : '';
}

const linksOf = (text) => [...text.matchAll(/<(?:a|link)\b[^>]* href="([^"]*)"/g)].map((m) => m[1]);
const sourcesOf = (text) => [...text.matchAll(/<(?:script|img)\b[^>]* src="([^"]*)"/g)].map((m) => m[1]);

function linksTest(page) {
  test(`${page}: links`, linksOf(html[page]).map((href) => linkFault(page, href)).filter(Boolean));
  test(`${page}: loads only what lies beside it`, sourcesOf(html[page])
    .filter((src) => /^\w+:|^\//.test(src) || linkFault(page, src)));
}

/* What this test has to find, or it would find nothing elsewhere either. */
function faultsTest() {
  const page = 'labs/01-kvm-open.html';
  for (const [href, fault] of [['no-such.html', 'no such page'], ['#no-such', 'no such place'],
    ['../slides/01-kvm-open.html#99', 'no such slide'],
    ['../contracts/ept.h.html#no_such', 'no such place']])
    test(`a link with a fault is found: ${href}`, linkFault(page, href).includes(fault) ? [] : ['it is not']);
  test('a link without one is not', ['#why', '../slides/01-kvm-open.html#2', '../index.html']
    .map((href) => linkFault(page, href)).filter(Boolean));
}

// --- handout, contract, slide, check -----------------------------------------------------------------

function checksTest(lab) {
  const page = `labs/${lab.name}.html`;
  test(`${page}: has every check, and none twice in its head`, lab.checks
    .filter((check) => !places[page].has(`check-${check.id}`)).map((check) => `no ${check.id}`));
  test(`${page}: has the places that its checks name`, lab.checks
    .filter((check) => !places[page].has(handoutPlace(check.handout)))
    .map((check) => `${check.id}: no "${check.handout}"`));
  test(`${page}: its checks' slides are there`, lab.checks
    .filter((check) => !slideFind(kit.decks, lab.name, check.slide))
    .map((check) => `${check.id}: no slide "${check.slide}"`));
  test(`${page}: the contracts that its checks name are there`, lab.checks.flatMap((check) =>
    [...check.manual.matchAll(/common\/include\/(\w+\.h)/g)]
      .filter(([, name]) => !kit.headers.some((h) => h.file === name))
      .map(([, name]) => `${check.id}: no ${name}`)));
}

function handoutTest(lab) {
  const page = `labs/${lab.name}.html`;
  const contracts = linksOf(html[page]).filter((href) => href.startsWith('../contracts/'));
  test(`${page}: leads to its contracts`, contracts.length ? [] : ['no link to a header']);
  const named = [...lab.text.matchAll(/`(?:common\/include\/)?(\w+\.h)`/g)].map((m) => m[1]);
  test(`${page}: the contracts that it names are there`, [...new Set(named)]
    .filter((name) => !kit.headers.some((h) => h.file === name) &&
      !existsSync(join(top, 'common/silicon', name))));
  const steps = lab.text.split(/^## /m).find((part) => part.startsWith('Steps')) ?? '';
  test(`${page}: steps are numbered as a list shows them`, [...steps.matchAll(/^(\d+)\. /gm)]
    .map((m, i) => [Number(m[1]), i + 1]).filter(([is, due]) => is !== due)
    .map(([is, due]) => `${is} for ${due}`));
}

function menuTest() {
  test('index.html: leads to every lab, the slides, pictures and contracts',
    [...kit.labs.map((lab) => `labs/${lab.name}.html`), 'slides.html', 'pictures.html', 'contracts/index.html']
      .filter((href) => !linksOf(html['index.html']).includes(href)));
  const order = own.filter((f) => / rel="(next|prev)"/.test(html[f]));
  let page = 'index.html', seen = new Set();
  for (let next; page && !seen.has(page); page = next && posix.join(posix.dirname(page), next)) {
    seen.add(page);
    next = html[page]?.match(/rel="next" href="([^"]*)"/)?.[1];
  }
  test('"next" leads from the opening through all pages', order.filter((f) => !seen.has(f)));
}

// --- in a browser ------------------------------------------------------------------------------------

async function pageOpen(browser, file, view, scheme, problems) {
  const page = await browser.newPage();
  await page.setViewport(view);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  page.on('pageerror', (error) => problems.push(`script error: ${error.message}`));
  page.on('console', (m) => m.type() === 'error' && problems.push(`console: ${m.text()}`));
  page.on('request', (r) => /^(file|data|blob|about):/.test(r.url()) || problems.push(`it fetches ${r.url()}`));
  await page.goto(pathToFileURL(join(out, file)).href, { waitUntil: 'load' });
  await page.evaluate(() => document.fonts.ready);
  return page;
}

async function roomTest(browser, file, view, scheme) {
  const problems = [];
  const page = await pageOpen(browser, file, view, scheme, problems);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > view.width) problems.push(`${wide} px wide, the screen has ${view.width}`);
  test(`${file}, ${view.width} px, ${scheme}: opens without a fault and fits`, problems);
  await page.close();
}

async function searchTest(browser, file, words, wanted) {
  const problems = [];
  const page = await pageOpen(browser, file, DESK, 'light', problems);
  await page.keyboard.press('/');
  await page.keyboard.type(words);
  await page.waitForSelector('#found [role=option]', { timeout: 20000 }).catch(() => {});
  const found = await page.$$eval('#found a', (all) => all.map((a) => a.getAttribute('href')));
  if (!found.some((href) => href.endsWith(wanted))) problems.push(`found: ${found.join(' ') || 'nothing'}`);
  const faults = found.map((href) => linkFault(file, href)).filter(Boolean);
  test(`the search finds "${words}" from ${file}`, [...problems, ...faults]);
  await page.close();
}

function searchLinksTest() {
  const text = readFileSync(join(out, 'assets/search-data.js'), 'utf8');
  const records = JSON.parse(text.slice(text.indexOf('['), text.lastIndexOf(']') + 1));
  test('what the search knows is there', records.map((r) => linkFault('index.html', r.url)).filter(Boolean));
}

async function themeTest(browser) {
  const problems = [];
  const page = await pageOpen(browser, 'index.html', DESK, 'light', problems);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.click('#theme');
  const dark = await ground();
  if (light === dark) problems.push(`the button leaves it at ${light}`);
  await page.click('a[rel=next]');
  await page.waitForFunction(() => /labs/.test(location.href));
  if (await ground() !== dark) problems.push('the next page has forgotten it');
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
  await page.evaluate(() => { localStorage.clear(); });
  await page.reload();
  if (await ground() !== dark) problems.push('the browser\'s setting is not followed');
  test('light and dark: by the button, kept, or by the browser', problems);
  await page.close();
}

async function phoneMenuTest(browser) {
  const problems = [];
  const page = await pageOpen(browser, 'labs/05-ept-walk.html', PHONE, 'light', problems);
  const shown = () => page.$eval('#menu', (menu) => menu.getBoundingClientRect().height > 0);
  if (await shown()) problems.push('it covers the text at first');
  await page.click('#menu-open');
  if (!await shown()) problems.push('the button does not open it');
  test('the contents on a phone', problems);
  await page.close();
}

faultsTest();
own.forEach(linksTest);
for (const lab of kit.labs) {
  checksTest(lab);
  handoutTest(lab);
}
menuTest();
searchLinksTest();
const browser = await puppeteer.launch({ executablePath: browserFind(),
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
try {
  const some = own.filter((f) => !/^(contracts|files)\/./.test(f) || /ept\.h|index|vmx\.h/.test(f));
  for (const file of some) {
    await roomTest(browser, file, PHONE, 'dark');
    await roomTest(browser, file, DESK, 'light');
  }
  await searchTest(browser, 'index.html', 'bitmap qualification', 'labs/06-io-bitmap.html#steps');
  await searchTest(browser, 'labs/05-ept-walk.html', 'ept_protect', 'contracts/ept.h.html#ept_protect');
  await searchTest(browser, 'contracts/index.html', 'extended page tables', 'slides/05-ept-walk.html#5');
  await themeTest(browser);
  await phoneMenuTest(browser);
} finally {
  await browser.close();
}
console.log(`book: ${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
