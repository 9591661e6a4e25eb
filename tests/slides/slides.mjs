// slides.mjs - looks at every slide of every deck in a headless Chromium, light and dark.
//
//   node tests/slides/slides.mjs [FOLDER]     FOLDER: what `make slides` made (build/slides)
//
// First it looks at faulty.md, whose slides have one fault each, named in their titles: what it
// does not find there it would not find elsewhere.
//
// A slide passes if it renders without a fault of the page, nothing in it leaves it or lies on
// something else, arrows end at boxes, no word stands alone on a last line, no text is below 14 pt
// on a slide of 1280 x 720, and all text has the contrast of WCAG AA on what is behind it. Then
// links, notes, the order of a deck, titles that the labs' checks name, PDFs.
// The last line reads: slides: N passed, N failed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { inspectSlide } from './inspect.mjs';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const out = resolve(process.argv[2] ?? join(top, 'build/slides'));
const require = createRequire(join(top, 'slides/package.json'));
const puppeteer = require('puppeteer-core');
const { browserFind } = await import(pathToFileURL(join(top, 'slides/browser.mjs')));

const SLIDES = [10, 18]; // a deck has so many
let passed = 0;
let failed = 0;

function test(name, problems) {
  if (problems.length === 0) {
    passed++;
    return;
  }
  failed++;
  console.log(`  FAIL  ${name}`);
  for (const problem of problems.slice(0, 8)) console.log(`        ${problem}`);
  if (problems.length > 8) console.log(`        ... and ${problems.length - 8} more`);
}

// --- the Markdown: length, notes, sources, titles ---------------------------------------------------

const deckFiles = readdirSync(join(top, 'slides/decks')).filter((f) => f.endsWith('.md')).sort();

function deckRead(file) {
  const slides = readFileSync(join(top, 'slides/decks', file), 'utf8').split(/^---$/m);
  return slides.map((text) => ({
    text,
    title: text.match(/^# (.*)$/m)?.[1] ?? '',
    notes: [...text.matchAll(/<!--([\s\S]*?)-->/g)].map((m) => m[1].trim())
      .filter((note) => !/^_\w+:/.test(note)).join('\n'),
  }));
}

function deckTextTest(file, slides) {
  test(`${file}: has ${SLIDES.join(' to ')} slides`,
    slides.length < SLIDES[0] || slides.length > SLIDES[1] ? [`it has ${slides.length}`] : []);
  test(`${file}: each slide has a title, notes and a source`, slides.flatMap((slide, i) => [
    ...(slide.title ? [] : [`slide ${i + 1} has no title`]),
    ...(slide.notes.split(/\s+/).length >= 12 ? [] : [`slide ${i + 1} has no notes to teach from`]),
    ...(/^Source: \S/m.test(slide.notes) ? [] : [`slide ${i + 1} names no source`]),
  ]));
  test(`${file}: ends with questions and their answers`,
    slides.at(-2).title === 'Three questions' && slides.at(-1).title === 'Answers' ? [] : ['it does not']);
}

// A lab's deck goes from the data structure, drawn bit by bit, to the answers; its notes say what
// to ask and what to run, and what they say to run is there.
const COURSE = ['What you will build', 'What the run looks like', 'Pitfalls', 'Three questions', 'Answers'];

function courseTest(file, slides) {
  const at = COURSE.map((title) => slides.findIndex((slide) => slide.title === title));
  const drawn = slides.findIndex((slide) => slide.text.includes('```bits'));
  test(`${file}: from a structure drawn to ${COURSE.join(', ')}`, [
    ...COURSE.filter((_, i) => at[i] < 0).map((title) => `no slide "${title}"`),
    ...(at.every((place, i) => i === 0 || at[i - 1] < place) ? [] : ['they are not in this order']),
    ...(drawn >= 0 && drawn < at[0] ? [] : ['no structure is drawn before they are']),
  ]);
  test(`${file}: notes to ask from and to run`, ['Ask', 'Live']
    .filter((word) => !slides.some((slide) => new RegExp(`^${word}: `, 'm').test(slide.notes)))
    .map((word) => `no note has a line that begins with ${word}:`));
}

function commandsTest(file, slides) {
  const problems = [];
  for (const [command, lab, check] of slides.map((slide) => slide.notes).join('\n')
    .matchAll(/`make [a-z]+ LAB=(\d+)[^`]*?(?:CHECK=(\w+)[^`]*)?`/g)) {
    const checks = readdirSync(join(top, 'grader/checks')).find((name) =>
      name.startsWith(lab.padStart(2, '0')) && name.endsWith('.c'));
    if (!checks) problems.push(`${command}: there is no such lab`);
    else if (check && !readFileSync(join(top, 'grader/checks', checks), 'utf8').includes(`.id = "${check}"`))
      problems.push(`${command}: there is no such check`);
  }
  test(`${file}: the commands in its notes`, problems);
}

function checkedTitlesTest(decks) {
  const folder = join(top, 'grader/checks');
  for (const file of readdirSync(folder).filter((f) => /^\d\d-.*\.c$/.test(f))) {
    const deck = deckFiles.find((name) => name.startsWith(file.slice(0, 2)));
    const there = new Set([...(decks[deck] ?? []), ...decks['00-opening.md']].map((s) => s.title));
    const named = [...readFileSync(join(folder, file), 'utf8').matchAll(/\.slide = "([^"]*)"/g)].map((m) => m[1]);
    test(`${file}: the slides that its checks name are there`,
      [...new Set(named)].filter((title) => !there.has(title)).map((title) => `no slide "${title}"`));
  }
}

// --- the pages ------------------------------------------------------------------------------------

async function pageOpen(browser, file, scheme, problems) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 720 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  page.on('pageerror', (error) => problems.push(`script error: ${error.message}`));
  page.on('console', (m) => m.type() === 'error' && problems.push(`console: ${m.text()}`));
  page.on('request', (r) => /^(file|data|blob|about):/.test(r.url()) || problems.push(`it fetches ${r.url()}`));
  await page.goto(pathToFileURL(file).href, { waitUntil: 'load' });
  await page.evaluate(() => document.fonts.ready);
  return page;
}

// Turns to each slide in order and hands what is wrong with it to look(number, problems).
async function slidesVisit(page, look) {
  const count = await page.evaluate(() => document.querySelectorAll('svg.bespoke-marp-slide').length);
  for (let i = 1; i <= count; i++) {
    await page.evaluate((n) => { location.hash = `#${n}`; }, i);
    await page.waitForFunction((n) =>
      [...document.querySelectorAll('svg.bespoke-marp-slide')].findIndex((s) =>
        s.classList.contains('bespoke-marp-active')) === n - 1, {}, i);
    look(i, await page.evaluate(inspectSlide));
  }
  return count;
}

async function deckPageTest(browser, name, slides, scheme) {
  const faults = [];
  const page = await pageOpen(browser, join(out, `${name}.html`), scheme, faults);
  const count = await slidesVisit(page, (i, problems) =>
    test(`${name} slide ${i} "${slides[i - 1]?.title}", ${scheme}`, problems));
  if (count !== slides.length) faults.push(`${count} slides, ${slides.length} in the Markdown`);
  test(`${name}: opens without a fault, and all of it is in the file (${scheme})`, faults);
  const links = await page.$$eval('section a[href]', (all) => all.map((a) => a.getAttribute('href')));
  await page.close();
  return links;
}

function linkFaults(links, slideCounts) {
  return links.flatMap((link) => {
    if (/^https:\/\/[\w.-]+\//.test(link)) return [];
    const [file, anchor] = link.split('#');
    if (file && !existsSync(join(out, file))) return [`${link}: no such file`];
    const most = file ? slideCounts[file] : Infinity;
    return anchor && most !== undefined && !(Number(anchor) >= 1 && Number(anchor) <= most)
      ? [`${link}: no such slide`] : [];
  });
}

async function indexTest(browser, decks, slideCounts) {
  for (const scheme of ['light', 'dark']) {
    const faults = [];
    const page = await pageOpen(browser, join(out, 'index.html'), scheme, faults);
    const links = await page.$$eval('a[href]', (all) => all.map((a) => a.getAttribute('href')));
    for (const name of Object.keys(slideCounts))
      if (!links.includes(name)) faults.push(`no link to ${name}`);
    faults.push(...linkFaults(links, slideCounts));
    faults.push(...(await page.evaluate(inspectSlide)).filter((f) => f.startsWith('contrast')));
    test(`index page, ${scheme}`, faults);
    await page.close();
  }
}

async function faultyTest(browser) {
  const { marpCli } = require('@marp-team/marp-cli');
  const html = join(out, 'work/faulty.html');
  const { error, warn, info, log } = console;
  const nothing = () => {};
  Object.assign(console, { error: nothing, warn: nothing, info: nothing, log: nothing });
  await marpCli(['--no-config-file', '--html', '--theme-set', join(out, 'work/theme.css'),
    '--output', html, '--', join(top, 'tests/slides/faulty.md')]);
  Object.assign(console, { error, warn, info, log });
  const wants = [...readFileSync(join(top, 'tests/slides/faulty.md'), 'utf8').matchAll(/^# wants: (.*)$/gm)].map((m) => m[1]);
  const page = await pageOpen(browser, html, 'light', []);
  await slidesVisit(page, (i, problems) =>
    test(`a slide with a fault: ${wants[i - 1]}`,
      problems.some((p) => p.includes(wants[i - 1])) ? [] : ['it was not found', ...problems]));
  await page.close();
}

// Counts the page objects, also those in compressed object streams.
function pdfPages(bytes) {
  const text = bytes.toString('latin1');
  const packed = [...text.matchAll(/\/Type\s*\/ObjStm[\s\S]*?stream\r?\n/g)].map((m) => {
    const from = m.index + m[0].length;
    return inflateSync(bytes.subarray(from, text.indexOf('endstream', from)), { finishFlush: 2 }).toString('latin1');
  });
  return [text, ...packed].join('\n').match(/\/Type\s*\/Page\b(?!s)/g)?.length ?? 0;
}

function pdfTest(name, slides) {
  const file = join(out, `${name}.pdf`);
  if (!existsSync(file)) {
    test(`${name}.pdf`, ['it was not made']);
    return;
  }
  const pages = pdfPages(readFileSync(file));
  test(`${name}.pdf has a page a slide`,
    pages === slides.length ? [] : [`${pages} pages, ${slides.length} slides`]);
}

// ----------------------------------------------------------------------------------------------------

const decks = Object.fromEntries(deckFiles.map((file) => [file, deckRead(file)]));
for (const file of deckFiles) {
  deckTextTest(file, decks[file]);
  commandsTest(file, decks[file]);
  if (!file.startsWith('00')) courseTest(file, decks[file]);
}
checkedTitlesTest(decks);

const browser = await puppeteer.launch({
  executablePath: browserFind(),
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const slideCounts = Object.fromEntries(deckFiles.map((file) => [file.replace('.md', '.html'), decks[file].length]));
try {
  await faultyTest(browser);
  for (const file of deckFiles) {
    const name = file.replace('.md', '');
    if (!existsSync(join(out, `${name}.html`))) {
      test(`${name}.html`, ['it was not made']);
      continue;
    }
    const [links] = await Promise.all(['light', 'dark'].map((scheme) =>
      deckPageTest(browser, name, decks[file], scheme)));
    test(`${name}: links`, linkFaults(links, slideCounts));
    pdfTest(name, decks[file]);
  }
  await indexTest(browser, decks, slideCounts);
} finally {
  await browser.close();
}
console.log(`slides: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
