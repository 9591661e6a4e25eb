// build.mjs - build/book: opening, handouts, contracts, decks and pictures as one static site.
//
//   node build.mjs [--out FOLDER]      make slides has run before (its decks are taken over)
//
// Eleventy puts the pages into their frame; what a page holds is made in pages.mjs. All links are
// relative and nothing is fetched, so the site can be read from a folder as from a server.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import Eleventy from '@11ty/eleventy';
import { kitLoad, top } from './kit.mjs';
import { relative } from './markdown.mjs';
import { pagesMake } from './pages.mjs';
import { samplesMake } from './samples.mjs';
import { searchData } from './search-data.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const at = process.argv.indexOf('--out');
const out = resolve(at < 0 ? join(top, 'build/book') : process.argv[at + 1]);

function decksCopy(kit) {
  const from = join(top, 'build/slides');
  mkdirSync(join(out, 'slides'), { recursive: true });
  for (const { name } of kit.decks) {
    if (!existsSync(join(from, `${name}.html`)))
      throw new Error(`there is no ${name}.html in build/slides (mend it: make slides)`);
    for (const ending of ['html', 'pdf'])
      if (existsSync(join(from, `${name}.${ending}`)))
        copyFileSync(join(from, `${name}.${ending}`), join(out, 'slides', `${name}.${ending}`));
  }
}

const FONTS = [['ibm-plex-sans', '400-normal'], ['ibm-plex-sans', '400-italic'],
  ['ibm-plex-sans', '600-normal'], ['ibm-plex-mono', '400-normal']];

function assetsCopy(kit, pages) {
  const assets = join(out, 'assets');
  mkdirSync(assets, { recursive: true });
  for (const name of readdirSync(join(here, 'theme')).filter((f) => /\.(css|js)$/.test(f)))
    copyFileSync(join(here, 'theme', name), join(assets, name));
  copyFileSync(join(here, 'node_modules/minisearch/dist/umd/index.js'), join(assets, 'minisearch.js'));
  for (const [family, face] of FONTS) {
    const name = `${family}-latin-${face}.woff2`;
    cpSync(join(here, 'node_modules/@fontsource', family, 'files', name), join(assets, name));
  }
  writeFileSync(join(assets, 'search-data.js'), searchData(kit, pages));
}

// --- what the frame needs to know of a page -----------------------------------------------------------

/* "Lab 03: the exit loop (12 points)" -> "03 The exit loop" */
const menuTitle = (page) => page.title.replace(/^Lab (\d+): (.)(.*?)( \(\d+ points\))?$/,
  (_, number, first, rest) => `${number} ${first.toUpperCase()}${rest}`);

function menuMake(pages, current) {
  return pages.filter((p) => p.group !== 'files').map((p) => ({
    title: menuTitle(p), href: relative(current.page, p.page), here: p === current, group: p.group }));
}

function frameData(pages, page) {
  const line = pages.filter((p) => p.group !== 'files'); // the order of reading
  const i = line.indexOf(page);
  const link = (p) => p && { title: p.title, href: relative(page.page, p.page) };
  return { layout: 'layout.njk', permalink: page.page, title: page.title, html: page.html,
    root: relative(page.page, 'index.html').replace(/index\.html$/, ''), source: page.file,
    menu: menuMake(pages, page), wide: page.group === 'files',
    previous: i > 0 ? link(line[i - 1]) : null, next: i >= 0 ? link(line[i + 1]) : null };
}

async function siteWrite(pages) {
  process.chdir(here);
  const site = new Eleventy('theme', out, { quietMode: true, configPath: false,
    config(eleventy) {
      eleventy.setTemplateFormats(['njk']);
      for (const page of pages)
        eleventy.addTemplate(`${page.page.replace(/\W/g, '_')}.njk`, '', frameData(pages, page));
    } });
  await site.write();
}

try {
  const kit = kitLoad();
  rmSync(out, { recursive: true, force: true });
  const samples = samplesMake(out);
  const pages = pagesMake(kit, samples);
  decksCopy(kit);
  assetsCopy(kit, pages);
  await siteWrite(pages);
  for (const sample of samples.filter((s) => !s.file))
    console.log(`book: no picture "${sample.title}": ${sample.missing}`);
  console.log(`book: ${pages.length} pages; begin at ${join(out, 'index.html')}`);
} catch (error) {
  console.error(`book: ${error.message}`);
  process.exit(1);
}
