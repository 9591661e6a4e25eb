// run-data.mjs - what was measured, from data/run.json, for the decks.
//
// {
//   "machine": "...", "when": "...",
//   "numbers": { "NAME": { "value": 36, "unit": "exits", "what": "..." } },    value may be null
//   "figures": { "04-int-iret": [ { "name": "...", "value": 2, "unit": "exits" } ] },
//   "traces":  { "NAME": [ "a line", "another" ] }                             may be null
// }
// collect.mjs writes it.
import { readFileSync } from 'node:fs';

const MISSING = 'not measured here';
const FIGURES_SHOWN = 8;

export function numberText(value) {
  if (value === null || value === undefined) return MISSING;
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  if (Math.abs(value) < 0.1) return String(Number(value.toFixed(4)));
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function withUnit(number) {
  const text = numberText(number.value);
  const unit = number.unit === 'us' ? 'µs' : number.unit;
  return text === MISSING || !unit ? text : `${text} ${unit}`;
}

function figuresTable(list) {
  if (!list || list.length === 0) return `*${MISSING}*`;
  // "exits in 1000 pairs: 0", without "exits" once more
  const shown = (f) => (f.name.includes(f.unit) ? numberText(f.value) : withUnit(f));
  const rows = list.slice(0, FIGURES_SHOWN).map((f) => `| ${f.name} | ${shown(f)} |`);
  return ['| measured in a run of the reference | |', '|---|--:|', ...rows].join('\n');
}

/* An object with placeholder(NAME): its text, or undefined for a name that nobody knows. */
export function runDataRead(file) {
  const data = JSON.parse(readFileSync(file, 'utf8'));
  const kinds = {
    run: (name) => (name in data.numbers ? withUnit(data.numbers[name]) : undefined),
    figures: (name) => (name in data.figures ? figuresTable(data.figures[name]) : undefined),
    trace: (name) => (name in data.traces ? (data.traces[name] ?? [MISSING]).join('\n') : undefined),
  };
  return {
    placeholder(text) {
      if (text === 'run-of') return `Measured on ${data.when}: ${data.machine}.`;
      const [kind, name] = text.split(':');
      return Object.hasOwn(kinds, kind) && name ? kinds[kind](name) : undefined;
    },
  };
}
