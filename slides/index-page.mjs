// index-page.mjs - build/slides/index.html: which decks there are.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const escape = (s) => s.replace(/&/g, '&amp;').replace(/</g, '&lt;');

function deckRow(out, here, name) {
  const text = readFileSync(join(here, 'decks', `${name}.md`), 'utf8');
  const [, title] = text.match(/^# (.*)$/m);
  const about = text.match(/^# .*\n+([^\n]+)/m)[1];
  const slides = text.split(/^---$/m).length;
  const pdf = existsSync(join(out, `${name}.pdf`)) ? `<a href="${name}.pdf">PDF</a>` : 'no PDF';
  const label = name.startsWith('00') ? '' : `${name.slice(0, 2)} `;
  return `<li><h2><a href="${name}.html">${label}${escape(title)}</a></h2>
<p>${escape(about)}</p><p class="quiet">${slides} slides · ${pdf}</p></li>`;
}

/* measured: the sentence that says where and when the decks' numbers come from. */
export function indexWrite(out, here, measured) {
  const decks = readdirSync(join(here, 'decks')).filter((f) => f.endsWith('.md')).sort()
    .map((f) => f.slice(0, -3)).filter((name) => existsSync(join(out, `${name}.html`)));
  const theme = readFileSync(join(here, 'theme/theme.css'), 'utf8');
  const colours = theme.slice(theme.indexOf(':root'), theme.indexOf('section {'));
  writeFileSync(join(out, 'index.html'), `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Non-Root Mode: slides</title><style>
${colours}
body { max-width: 46rem; margin: 3rem auto; padding: 0 1.5rem; background: var(--ground);
  color: var(--ink); font: 19px/1.5 "IBM Plex Sans", "DejaVu Sans", sans-serif; }
h1, a { color: var(--accent); } h2 { font-size: 1.3rem; margin: 0; }
ul { list-style: none; padding: 0; } li { margin: 0 0 1.6rem; } p { margin: 0.2rem 0; text-wrap: pretty; }
.quiet { color: var(--quiet); } kbd { font-family: "IBM Plex Mono", monospace; }
</style></head><body><h1>Non-Root Mode: slides</h1>
<p>Arrow keys turn the slides, <kbd>f</kbd> fills the screen, <kbd>p</kbd> opens the speaker's
notes. Light and dark follow the browser.</p>
<ul>
${decks.map((name) => deckRow(out, here, name)).join('\n')}
</ul>
<p class="quiet">The numbers on the slides: ${escape(measured.replace(/^M/, 'm'))}</p></body></html>
`);
}
