// collect.mjs - fills data/run.json from what the last runs left in build/:
//
//   build/results-solutions.json   make grade FROM=solutions   the figures of each lab
//   build/traces-solutions/        the same                    the traces
//   build/bench.json               make bench
//
// What a source does not have keeps the value that it had; what was never there is null, and
// the slides say "not measured here". Run from the kit's top folder: node slides/collect.mjs
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const file = join(here, 'data/run.json');
const json = (name) => (existsSync(name) ? JSON.parse(readFileSync(name, 'utf8')) : null);

const LABS = ['01-kvm-open', '02-memory-slots', '03-exit-loop', '04-int-iret', '05-ept-walk',
  '06-io-bitmap', '07-irt-pid', '08-vfio-passthrough', '09-iommu-faults', '10-nested',
  '11-boot-linux'];

// A trace that a slide shows: which check's, and which of its lines.
const TRACES = {
  'first-guest': { lab: 1, check: 'first_guest_runs_until_it_halts' },
  'mmio-holes': { lab: 2, check: 'what_no_slot_answers_is_mmio', rows: [3, 14] },
  tour: { lab: 3, check: 'counters_agree_with_the_kernel', rows: [6, 18] },
  'kicked-in': { lab: 3, check: 'kicked_instruction_is_complete' },
};

// Numbers: how to get them. A function that finds nothing returns undefined.
const bench = json('build/bench.json');
const benchFigure = (name) => bench?.figures.find((f) => f.name === name)?.median;

const NUMBERS = {
  'first-guest.exits': ['', 'VM exits of lab 01\'s first guest', () => traceCount('first-guest')],
  'holes.exits': ['', 'VM exits of lab 02\'s guest in holes and ROM', () => traceCount('mmio-holes')],
  'holes.mmio': ['', 'of them MMIO for the VMM', () => returnsCount('mmio-holes', 'MMIO')],
  'tour.exits': ['', 'VM exits of lab 03\'s tour', () => traceCount('tour')],
  'tour.io': ['', 'of them IO for the VMM', () => returnsCount('tour', 'IO')],
  'tour.mmio': ['', 'of them MMIO for the VMM', () => returnsCount('tour', 'MMIO')],
  'tour.kernel-us': ['µs', 'median time of an exit that KVM answers', () => tookMedian('kernel')],
  'tour.vmm-us': ['µs', 'median time of an exit that the VMM answers', () => tookMedian('VMM')],
  'restore.ms': ['ms', 'restore of the machine to a ready agent',
    () => Math.round(1000 * benchFigure('restore of the machine to a ready agent'))],
  'loop.ratio': ['', 'PIO exits a second through the run loop, of a bare KVM_RUN',
    () => benchFigure('run loop and bus: PIO exits/s, of a bare KVM_RUN')],
};

// --- traces ------------------------------------------------------------------------------------

const traceText = {};
function traceRun(name) {
  const { lab, check } = TRACES[name];
  try {
    traceText[name] ??= execFileSync('build/bin/grader',
      ['trace', `LAB=${lab}`, `CHECK=${check}`, 'FROM=solutions', 'TEXT=1'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    traceText[name] = '';
  }
  return traceText[name];
}

const isRow = (line) => /^[> ] *\d+ +\d+\.\d+ +0x[0-9a-f]+ /.test(line);

function traceLines(name) {
  const lines = traceRun(name).split('\n');
  const rows = lines.filter(isRow);
  if (rows.length === 0) return undefined;
  const [from, to] = TRACES[name].rows ?? [0, rows.length];
  return [lines.find((l) => l.includes('VM exit ')), ...rows.slice(from, to),
    lines.find((l) => /^\d+ VM exits\./.test(l))].map((l) => l.trimEnd());
}

const traceCount = (name) => Number(traceRun(name).match(/^(\d+) VM exits\./m)?.[1] ?? NaN);
const returnsCount = (name, reason) =>
  Number(traceRun(name).match(new RegExp(`^\\d+ VM exits.*\\b${reason} (\\d+)`, 'm'))?.[1] ?? NaN);

function tookMedian(answer) {
  const took = traceRun('tour').split('\n').filter(isRow)
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words[4] === answer && words[5] !== '-').map((words) => Number(words[5]))
    .sort((a, b) => a - b);
  return took.length ? took[Math.floor(took.length / 2)] : undefined;
}

// --- the file ------------------------------------------------------------------------------------

function machineName() {
  const modules = existsSync('build/kernel')
    ? readdirSync('build/kernel', { recursive: true }).filter((f) => f.endsWith('/kvm.ko')) : [];
  const kernel = modules.length &&
    readFileSync(join('build/kernel', modules[0]), 'latin1').match(/vermagic=(\d+\.\d+)/)?.[1];
  const version = (program) => {
    try {
      return execFileSync(program, ['--version'], { encoding: 'utf8' }).match(/\d+\.\d+(\.\d+)?/)[0];
    } catch {
      return 'unknown';
    }
  };
  return `QEMU ${version('qemu-system-x86_64')} without hardware help (TCG), ` +
    `Linux ${kernel || 'unknown'} inside, ${cpus().length} cores`;
}

function labFigures(results, lab) {
  const checks = Object.values(results?.labs?.[lab]?.checks ?? {});
  const list = checks.flatMap((check) => check.figures ?? []);
  return list.length ? list : undefined;
}

const old = json(file) ?? {};
const results = json('build/results-solutions.json');
const known = (value, before) =>
  value === undefined || Number.isNaN(value) ? before ?? null : value;

const data = {
  machine: machineName(),
  when: new Date().toISOString().slice(0, 10),
  numbers: Object.fromEntries(Object.entries(NUMBERS).map(([name, [unit, what, get]]) =>
    [name, { value: known(get(), old.numbers?.[name]?.value), unit, what }])),
  figures: Object.fromEntries(LABS.map((lab) =>
    [lab.slice(0, 2), known(labFigures(results, lab), old.figures?.[lab.slice(0, 2)])])),
  traces: Object.fromEntries(Object.keys(TRACES).map((name) =>
    [name, known(traceLines(name), old.traces?.[name])])),
};
writeFileSync(file, JSON.stringify(data, null, 2) + '\n');
const missing = Object.entries({ ...data.figures, ...data.traces }).filter(([, v]) => v === null);
console.log(`slides: data/run.json is written; not measured: ${missing.map(([k]) => k).join(' ') || 'nothing'}`);
