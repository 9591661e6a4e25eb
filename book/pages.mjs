// pages.mjs - the pages of the book: address, title, body. Their order is that of reading.
import { posix } from 'node:path';
import { kitHas, kitRead, slideFind } from './kit.mjs';
import { codeColour, escape, markdownMake, relative, slug } from './markdown.mjs';

const md = markdownMake();

// --- where each file of the kit has its page ---------------------------------------------------------

const sourcePage = (file) => `files/${file.replace(/\//g, '-')}.html`;

/* Files that handouts name by link or by code, beside the contracts. */
function sourcesNamed(labs) {
  const found = labs.flatMap((lab) => {
    const folder = `labs/${lab.name}`;
    const linked = [...lab.text.matchAll(/\]\(([^)#:]+)\)/g)]
      .map((m) => posix.normalize(posix.join(folder, m[1])));
    const coded = [...lab.text.matchAll(/`((?:guests|common)\/[\w./-]+\.[chS])`/g)]
      .map((m) => (m[1].startsWith('common') ? m[1] : `${folder}/${m[1]}`));
    return [...linked, ...coded];
  });
  return [...new Set(found)].sort().filter((file) =>
    /^(common|labs)\/.*\.[chS]$/.test(file) && !file.startsWith('common/include/') && kitHas(file));
}

function pagesOfFiles(kit, sources) {
  return new Map([
    ['README.md', 'index.html'],
    ['MANUALS.md', 'manuals.html'],
    ['common/include', 'contracts/index.html'],
    ...kit.labs.map((lab) => [`labs/${lab.name}/README.md`, `labs/${lab.name}.html`]),
    ...kit.headers.map((h) => [`common/include/${h.file}`, `contracts/${h.file}.html`]),
    ...sources.map((file) => [file, sourcePage(file)]),
  ].filter(([file]) => kitHas(file)));
}

// --- handouts ----------------------------------------------------------------------------------------

/* "Steps, 11 and 12" -> "step-11"; "Errors" -> "errors". */
export function handoutPlace(place) {
  const step = place.match(/^Steps, (\d+)/)?.[1];
  return step ? `step-${step}` : slug(place);
}

const manualLink = (page, text) => escape(text).replace(/common\/include\/(\w+\.h)/g, (all, name) =>
  `<a href="${relative(page, `contracts/${name}.html`)}">${all}</a>`);

function checkRow(kit, lab, page, check) {
  const slide = slideFind(kit.decks, lab.name, check.slide);
  return `<tr><td><a href="#check-${check.id}">${escape(check.title)}</a></td>
<td><a href="#${handoutPlace(check.handout)}">${escape(check.handout)}</a></td>
<td>${slide ? `<a href="${relative(page, slide)}">${escape(check.slide)}</a>` : escape(check.slide)}</td>
<td>${manualLink(page, check.manual)}</td></tr>`;
}

function checksTable(kit, lab, page) {
  if (lab.checks.length === 0) return '';
  return `<section class="made"><h2 id="where-checks-send-you">Where each check sends you</h2>
<div class="scroll" tabindex="0"><table><thead><tr><th>check</th><th>handout</th><th>slide</th>
<th>manual</th></tr></thead><tbody>
${lab.checks.map((check) => checkRow(kit, lab, page, check)).join('\n')}
</tbody></table></div></section>`;
}

function deckLine(kit, lab, page) {
  const deck = kit.decks.find((d) => d.name === lab.name);
  return deck ? `<p class="made">The slides of this lab:
<a href="${relative(page, `slides/${deck.name}.html`)}">${escape(deck.title)}</a></p>\n` : '';
}

function markdownPage(kit, pages, file, more) {
  const page = pages.get(file);
  const lab = kit.labs.find((l) => `labs/${l.name}/README.md` === file);
  const text = kitRead(file);
  const env = { kit, pages, file, page, lab, checksSeen: new Set() };
  const html = md.render(text, env);
  return { page, file, text, title: text.match(/^# (.*)$/m)[1], lab, checksSeen: env.checksSeen,
    html: html + (lab ? deckLine(kit, lab, page) + checksTable(kit, lab, page) : ''), ...more };
}

// --- sources -----------------------------------------------------------------------------------------

function sourceHtml(text, places) {
  const lines = codeColour(text, 'c').split('\n');
  let open = []; // elements that go on in the next line
  const row = (line, i) => {
    const before = open.join('');
    for (const [tag] of line.matchAll(/<span[^>]*>|<\/span>/g))
      if (tag === '</span>') open = open.slice(0, -1);
      else open = [...open, tag];
    const place = places.get(i + 1);
    return `<span class="line" id="L${i + 1}">${place ? `<a id="${place}"></a>` : ''}` +
      `${before}${line}${'</span>'.repeat(open.length)}</span>`;
  };
  return `<pre class="source" tabindex="0"><code>${lines.map(row).join('\n')}</code></pre>`;
}

/* #include "x.h" leads to x.h. */
const includesLink = (html, pages, page) => html.replace(/&quot;(\w+\.h)&quot;/g, (all, name) =>
  (pages.has(`common/include/${name}`)
    ? `<a href="${relative(page, pages.get(`common/include/${name}`))}">${all}</a>` : all));

function sourcePageMake(pages, file, about, functions) {
  const page = pages.get(file);
  const text = kitRead(file).replace(/\n$/, '');
  const places = new Map(functions.map((f) => [f.line, f.name]));
  return { page, file, group: 'files', title: posix.basename(file), functions,
    html: `<h1>${escape(posix.basename(file))}</h1>
<p class="quiet">${escape(about ? `${about} ` : '')}<code>${escape(file)}</code></p>
${includesLink(sourceHtml(text, places), pages, page)}` };
}

// --- lists -------------------------------------------------------------------------------------------

const card = (href, title, about, more = '') => `<li><h2><a href="${href}">${escape(title)}</a></h2>
<p>${escape(about)}</p>${more}</li>`;

const listPage = (page, title, lead, cards) => ({ page, title, group: 'lists',
  html: `<h1>${title}</h1>\n<p>${lead}</p>\n<ul class="cards">\n${cards.join('\n')}\n</ul>` });

function contractsPage(kit, pages) {
  const page = 'contracts/index.html';
  const parts = kit.headers.filter((h) => /contract of part/.test(h.text.slice(0, 200)));
  const others = kit.headers.filter((h) => !parts.includes(h));
  const one = (h) => card(relative(page, pages.get(`common/include/${h.file}`)), h.file, h.about);
  return { ...listPage(page, 'Contracts', 'A header is a promise: each part has one, and you can ' +
    'write the part from it alone.', parts.map(one)), html: `<h1>Contracts</h1>
<p>A header is a promise. These are the parts' own:</p>
<ul class="cards">${parts.map(one).join('\n')}</ul>
<h2>Formats, and what the core gives</h2>
<ul class="cards">${others.map(one).join('\n')}</ul>` };
}

const slidesPage = (kit) => listPage('slides.html', 'Slides',
  'Arrow keys turn the slides, <kbd>f</kbd> fills the screen, <kbd>p</kbd> opens the speaker\'s ' +
  'notes. Light and dark follow the browser.', kit.decks.map((deck) =>
    card(`slides/${deck.name}.html`, `${deck.name.slice(0, 2)} ${deck.title}`, deck.about,
      `<p class="quiet">${deck.slides.length} slides</p>`)));

const picturesPage = (samples) => listPage('pictures.html', 'Pictures of a run',
  '<code>make trace LAB=n</code> draws a graded run of yours from the recorded evidence: from the ' +
  'kernel\'s tracepoints, from the emulated Intel CPU, or from what a check has seen. These are ' +
  'runs of the reference, one of each kind.', samples.map((sample) => (sample.file
    ? card(`pictures/${sample.file}`, sample.title, sample.about,
      `<p class="quiet">Lab ${sample.lab}, <code>${sample.check}</code></p>`)
    : `<li><h2>${escape(sample.title)}</h2><p>${escape(sample.about)}</p>
<p class="quiet">Not recorded when this book was made: ${escape(sample.missing)}</p></li>`)));

// --- all ---------------------------------------------------------------------------------------------

/* The pages in the order of reading, then those beside it (group "files"). */
export function pagesMake(kit, samples) {
  const sources = sourcesNamed(kit.labs);
  const pages = pagesOfFiles(kit, sources);
  const labs = kit.labs.map((lab) =>
    markdownPage(kit, pages, `labs/${lab.name}/README.md`, { group: 'labs' }));
  return [
    markdownPage(kit, pages, 'README.md', { group: 'opening' }),
    ...labs,
    slidesPage(kit),
    picturesPage(samples),
    contractsPage(kit, pages),
    ...(pages.has('MANUALS.md') ? [markdownPage(kit, pages, 'MANUALS.md', { group: 'lists' })] : []),
    ...kit.headers.map((h) =>
      sourcePageMake(pages, `common/include/${h.file}`, h.about, h.functions)),
    ...sources.map((file) => sourcePageMake(pages, file, '', [])),
  ];
}
