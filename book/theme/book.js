/* book.js - contents on a phone, light and dark, and the search. No page needs it to be read. */
'use strict';
const byId = id => document.getElementById(id);
const root = document.body.dataset.root;

/* --- contents ------------------------------------------------------------------------------------ */

byId('menu-open').onclick = () => {
  const open = byId('menu').classList.toggle('open');
  byId('menu-open').setAttribute('aria-expanded', open);
};

/* --- light and dark: the browser's setting, until one says otherwise ------------------------------- */

const dark = () => (document.documentElement.dataset.theme ||
  (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
const themeName = () => { byId('theme').textContent = dark() ? 'Light' : 'Dark'; };

byId('theme').onclick = () => {
  const theme = dark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try { localStorage.bookTheme = theme; } catch { /* not kept, then */ }
  themeName();
};
matchMedia('(prefers-color-scheme: dark)').onchange = themeName;
themeName();

/* --- search: its data is loaded when somebody looks for something ---------------------------------- */

let index = null, chosen = -1;

const scriptLoad = name => new Promise((done, failed) => {
  const script = document.createElement('script');
  script.src = `${root}assets/${name}`;
  script.onload = done;
  script.onerror = failed;
  document.head.append(script);
});

async function indexMake() {
  await scriptLoad('minisearch.js');
  await scriptLoad('search-data.js');
  const made = new MiniSearch({ fields: ['title', 'where', 'text'],
    storeFields: ['url', 'title', 'where', 'text'],
    searchOptions: { prefix: true, fuzzy: term => (term.length > 4 ? 0.2 : 0),
      combineWith: 'AND', boost: { title: 4, where: 1.5 } } });
  made.addAll(window.bookRecords);
  return made;
}

/* The words around the first one that was found. */
function excerpt(record, terms) {
  const lower = record.text.toLowerCase();
  const at = Math.min(...terms.map(t => lower.indexOf(t)).filter(i => i >= 0), lower.length);
  const from = at > 50 ? record.text.lastIndexOf(' ', at - 40) + 1 : 0;
  const end = record.text.length <= from + 160 ? record.text.length
    : record.text.lastIndexOf(' ', from + 160);
  return `${from ? '… ' : ''}${record.text.slice(from, end)}${end < record.text.length ? ' …' : ''}`;
}

function marked(text, terms) {
  const line = document.createElement('small');
  const words = terms.map(t => t.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  for (const piece of text.split(new RegExp(`(${words.join('|')})`, 'i')))
    line.append(terms.includes(piece.toLowerCase())
      ? Object.assign(document.createElement('mark'), { textContent: piece }) : piece);
  return line;
}

function foundRow(record, i) {
  const row = document.createElement('li'), link = document.createElement('a');
  row.id = `found-${i}`;
  row.setAttribute('role', 'option');
  link.href = root + record.url;
  link.append(record.title, marked(`${record.where}${record.where && record.text ? ': ' : ''}` +
    excerpt(record, record.terms), record.terms));
  row.append(link);
  return row;
}

function foundShow(list) {
  const box = byId('found'), rows = list.slice(0, 12).map(foundRow);
  const none = Object.assign(document.createElement('li'),
    { className: 'none', textContent: 'Nothing found.' });
  box.replaceChildren(...(rows.length ? rows : [none]));
  box.hidden = !byId('search').value.trim();
  byId('search').setAttribute('aria-expanded', !box.hidden);
  choose(rows.length ? 0 : -1);
}

function choose(i) {
  const rows = [...byId('found').querySelectorAll('[role=option]')];
  chosen = rows.length ? (i + rows.length) % rows.length : -1;
  rows.forEach((row, n) => row.setAttribute('aria-selected', n === chosen));
  byId('search').setAttribute('aria-activedescendant', chosen >= 0 ? `found-${chosen}` : '');
  rows[chosen]?.scrollIntoView({ block: 'nearest' });
}

async function searchRun() {
  index ??= indexMake();
  const words = byId('search').value.trim();
  const made = await index;
  if (words === byId('search').value.trim())
    foundShow(words ? made.search(words) : []);
}

function foundClose() {
  byId('found').hidden = true;
  byId('search').setAttribute('aria-expanded', false);
}

const KEYS = {
  ArrowDown: () => choose(chosen + 1),
  ArrowUp: () => choose(chosen - 1),
  Enter: () => byId('found').querySelector('[aria-selected=true] a')?.click(),
  Escape: foundClose,
};

byId('search').oninput = searchRun;
byId('search').onfocus = () => byId('search').value.trim() && searchRun();
byId('search').onkeydown = event => {
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
};
document.onclick = event => event.target.closest('.search') || foundClose();
document.onkeydown = event => {
  if (event.key !== '/' || /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
  event.preventDefault();
  byId('search').focus();
};
byId('found').onclick = foundClose;
