// kit.mjs - what the kit has that pages can point at: labs, their checks, decks, contracts.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const top = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const kitRead = (path) => readFileSync(join(top, path), 'utf8');
export const kitHas = (path) => existsSync(join(top, path));

// --- the checks of a lab: the table in grader/checks/LAB.c ---------------------------------------

const FIELDS = ['id', 'title', 'handout', 'slide', 'manual'];

function fieldRead(block, name) {
  const match = block.match(new RegExp(`\\.${name} =\\s*((?:"(?:[^"\\\\]|\\\\.)*"\\s*)+)`));
  if (!match) return '';
  return [...match[1].matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]).join('')
    .replace(/\\(.)/g, '$1');
}

function checksRead(lab) {
  const file = `grader/checks/${lab}.c`;
  if (!kitHas(file)) return [];
  return kitRead(file).split(/^ {4}\{$/m).slice(1)
    .map((block) => Object.fromEntries(FIELDS.map((name) => [name, fieldRead(block, name)])))
    .filter((check) => check.id);
}

// --- decks: the title of each slide ----------------------------------------------------------------

function deckRead(name) {
  const text = kitRead(`slides/decks/${name}.md`);
  const slides = text.split(/^---$/m).map((slide) => ({
    title: slide.match(/^# (.*)$/m)?.[1] ?? '',
    text: slide.replace(/<!--[\s\S]*?-->|^# .*$/gm, '').replace(/[`*|>#{}]|!\[|\]\([^)]*\)/g, ' '),
  }));
  const about = text.match(/^# .*\n+([^\n]+)/m)?.[1] ?? '';
  return { name, title: slides[0].title, about, slides };
}

/* "slides/05-ept-walk.html#3" for a title in the lab's deck or the opening one, or null. */
export function slideFind(decks, lab, title) {
  for (const name of [lab, '00-opening']) {
    const at = decks.find((d) => d.name === name)?.slides.findIndex((s) => s.title === title) ?? -1;
    if (at >= 0) return `slides/${name}.html#${at + 1}`;
  }
  return null;
}

// --- contracts: the functions that a header declares -----------------------------------------------

/* A function's line, and the comment above it. */
function functionsRead(text) {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const name = line.match(/^(?:static inline )?[a-z][\w ]*[ *]\*?(\w+)\(/)?.[1];
    if (!name || /^(return|typedef)\b/.test(line)) return [];
    let from = i;
    while (from > 0 && lines[from - 1].trim() !== '') from--;
    return [{ name, line: i + 1, comment: lines.slice(from, i).join('\n') }];
  });
}

function headerRead(file) {
  const text = kitRead(`common/include/${file}`);
  const about = text.match(/^\/\* \S+ - ([^\n]*)/)?.[1].replace(/\s*\*\/$/, '') ?? '';
  return { file, text, about, functions: functionsRead(text) };
}

// --- all of it ---------------------------------------------------------------------------------------

function names(folder, pattern) {
  return readdirSync(join(top, folder)).filter((name) => pattern.test(name)).sort();
}

function labRead(name) {
  const text = kitRead(`labs/${name}/README.md`);
  return { name, number: Number(name.slice(0, 2)), text, checks: checksRead(name) };
}

export function kitLoad() {
  return {
    labs: names('labs', /^\d\d-/).filter((n) => kitHas(`labs/${n}/README.md`)).map(labRead),
    decks: names('slides/decks', /\.md$/).map((f) => deckRead(f.slice(0, -3))),
    headers: names('common/include', /\.h$/).map(headerRead),
  };
}
