// build.mjs - decks/*.md -> build/slides: one self-contained HTML and PDF a deck, and an index.
//
//   node build.mjs [--lab N] [--watch] [--out FOLDER]
//
// A deck is Marp Markdown with three additions, which this program replaces before Marp sees it:
//   ![what it shows](NAME.svg)   the drawing figures/NAME.svg, put into the page
//   ```bits                      a structure drawn bit by bit (bits.mjs)
//   {{run:NAME}} {{figures:NN}} {{trace:NAME}} {{run-of}}    what was measured (run-data.mjs)
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bitsDraw } from './bits.mjs';
import { browserFind } from './browser.mjs';
import { indexWrite } from './index-page.mjs';
import { runDataRead } from './run-data.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const argument = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : process.argv[at + 1] ?? '';
};
const out = resolve(argument('--out') ?? join(here, '../build/slides'));
const work = join(out, 'work');

class BuildError extends Error {}

// --- what stands in a deck's Markdown ----------------------------------------------------------

function figurePut(deck, alt, name) {
  const file = join(here, 'figures', name);
  if (!existsSync(file)) throw new BuildError(`${deck}: there is no figure figures/${name}`);
  const svg = readFileSync(file, 'utf8')
    .replace(/<\?xml[^>]*\?>|<!--[\s\S]*?-->/g, '')
    .replace('<svg ', `<svg role="img" aria-label="${alt.replace(/"/g, '&quot;')}" `)
    .replace(/\s*\n\s*/g, '');
  return `<figure class="drawing">${svg}</figure>`;
}

function deckExpand(deck, text, run) {
  return text
    .replace(/^!\[([^\]]*)\]\(([\w-]+\.svg)\)$/gm, (_, alt, name) => figurePut(deck, alt, name))
    .replace(/^```bits\n([\s\S]*?)^```$/gm, (_, body) => bitsDraw(deck, body))
    .replace(/\{\{([^{}]*)\}\}/g, (_, name) => {
      const value = run.placeholder(name.trim());
      if (value === undefined) throw new BuildError(`${deck}: unknown placeholder {{${name}}}`);
      return value;
    });
}

// --- the theme: colours, figures, fonts, in one file ---------------------------------------------

function fontFace(family, folder, weight, style) {
  const name = `${folder}-latin-${weight}-${style}.woff2`;
  const file = join(here, 'node_modules/@fontsource', folder, 'files', name);
  const data = readFileSync(file).toString('base64');
  return `@font-face { font-family: "${family}"; font-weight: ${weight}; font-style: ${style};
  src: url(data:font/woff2;base64,${data}) format("woff2"); }`;
}

function themeRead() {
  return [
    readFileSync(join(here, 'theme/theme.css'), 'utf8'),
    readFileSync(join(here, 'theme/figure.css'), 'utf8'),
    fontFace('IBM Plex Sans', 'ibm-plex-sans', 400, 'normal'),
    fontFace('IBM Plex Sans', 'ibm-plex-sans', 400, 'italic'),
    fontFace('IBM Plex Sans', 'ibm-plex-sans', 600, 'normal'),
    fontFace('IBM Plex Mono', 'ibm-plex-mono', 400, 'normal'),
  ].join('\n');
}

// --- Marp ------------------------------------------------------------------------------------------

const head = (title, footer) => `---
marp: true
lang: en
title: "${title}"
theme: non-root-mode
paginate: true
footer: "${footer}"
---

`;

function decksChoose(lab) {
  const decks = readdirSync(join(here, 'decks')).filter((name) => name.endsWith('.md')).sort();
  if (lab === null) return decks;
  const chosen = decks.filter((name) => Number(name.slice(0, 2)) === Number(lab));
  if (!/^\d+$/.test(lab) || chosen.length === 0)
    throw new BuildError(`there is no deck for LAB=${lab}; there are 0 (opening) to 10`);
  return chosen;
}

function decksExpand(decks, run) {
  return decks.map((name) => {
    const text = readFileSync(join(here, 'decks', name), 'utf8');
    const title = text.match(/^# (.*)$/m)[1];
    const footer = name.startsWith('00') ? 'Non-Root Mode' : `Non-Root Mode · Lab ${name.slice(0, 2)} · ${title}`;
    const file = join(work, name);
    writeFileSync(file, head(title, footer) + deckExpand(name, text, run));
    return { name: basename(name, '.md'), title, file };
  });
}

// Everything in `work` becomes a file in `out`.
async function marpRun(options) {
  const { marpCli } = await import('@marp-team/marp-cli');
  const config = join(work, 'marp.config.mjs');
  writeFileSync(config, `export default ${JSON.stringify({
    html: true, lang: 'en', themeSet: join(work, 'theme.css'),
    options: { math: false, emoji: { shortcode: false, unicode: false } },
  })};\n`);
  const said = [];
  const { error, warn, info, log } = console;
  for (const way of ['error', 'warn', 'info', 'log'])
    console[way] = (...words) => said.push(words.join(' '));
  const status = await marpCli(['--config-file', config, '--input-dir', work, '--output', out,
    ...options]).catch((problem) => problem.message);
  Object.assign(console, { error, warn, info, log });
  if (status !== 0) throw new BuildError(`marp: ${status}\n${said.join('\n')}`);
}

async function build(lab, wantPdf) {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'theme.css'), themeRead());
  const run = runDataRead(join(here, 'data/run.json'));
  const decks = decksExpand(decksChoose(lab), run);

  await marpRun(['--html', '--bespoke.progress=false']);
  const browser = wantPdf ? browserFind() : null;
  if (browser) {
    process.env.CHROME_PATH = browser;
    if (process.getuid?.() === 0) process.env.CHROME_NO_SANDBOX = '1';
    await marpRun(['--pdf', '--pdf-outlines', '--pdf-outlines.pages=false',
      '--browser', 'chrome', '--browser-timeout', '120']);
  } else if (wantPdf) {
    for (const deck of decks) rmSync(join(out, `${deck.name}.pdf`), { force: true });
    console.log('slides: no Chromium, so no PDF (mend it: sudo apt install chromium)');
  }
  indexWrite(out, here, run.placeholder('run-of'));
  for (const deck of decks)
    console.log(`slides: ${join(out, deck.name)}.html${browser ? ' and .pdf' : ''}`);
  console.log(`slides: their numbers: ${run.placeholder('run-of')}`);
  console.log(`slides: begin at ${join(out, 'index.html')}`);
}

// Builds the HTML again whenever a file of the decks changes. An error waits for the next save.
async function buildForever(lab) {
  let busy = null;
  const again = () => {
    clearTimeout(busy);
    busy = setTimeout(() => build(lab, false).catch((error) => console.error(`slides: ${error.message}`)), 150);
  };
  for (const folder of ['decks', 'figures', 'data', 'theme'])
    watch(join(here, folder), again);
  again();
}

try {
  if (process.argv.includes('--watch')) await buildForever(argument('--lab'));
  else await build(argument('--lab'), true);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`slides: ${error.message}`);
  process.exit(1);
}
