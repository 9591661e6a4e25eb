// samples.mjs - a page of each picture that `make trace` draws, of runs of the reference.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { top } from './kit.mjs';

const SAMPLES = [
  { lab: 3, check: 'counters_agree_with_the_kernel', kind: '', title: 'VM exits on a timeline',
    about: 'Every exit of a guest: when, where in its source, why, and who answered.' },
  { lab: 5, check: 'caches_save_references', kind: 'walk', title: 'A two-dimensional walk',
    about: 'The 24 memory references of a cold walk, and what caches save.' },
  { lab: 6, check: 'random_walk_exits_where_you_decided', kind: 'bitmap', title: 'The I/O bitmap',
    about: '65,536 ports, the devices that own them, and which accesses the CPU let pass.' },
  { lab: 7, check: 'halted_vcpu_is_woken', kind: 'interrupt', title: 'An interrupt on its way',
    about: 'Poster and vCPU, step by step, with the descriptor after each step.' },
  { lab: 9, check: 'demand_works_on_the_device', kind: 'fault', title: 'IOMMU faults',
    about: 'A device\'s accesses, the fault records, and the pages mapped because of them.' },
  { lab: 10, check: 'exits_of_l2_go_to_their_level', kind: '', title: 'Three levels',
    about: 'Exits of L2: who got them, and what each costs.' },
];

function graderRun(...words) {
  return execFileSync('build/bin/grader', [...words, 'FROM=solutions'],
    { cwd: top, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const pagesOf = (output) => [...output.matchAll(/^ {2}(build\/trace\/\S+\.html)$/gm)].map((m) => m[1]);

/* The page of a recorded run; it is recorded first if it is not there. */
function pageGet({ lab, check, kind }) {
  const words = [`LAB=${lab}`, `CHECK=${check}`];
  const page = () => pagesOf(graderRun('trace', ...words))
    .find((file) => (kind ? file.endsWith(`-${kind}.html`) : file.endsWith(`-${check}.html`)));
  try {
    const found = page();
    if (found) return found;
  } catch { /* nothing is recorded */ }
  graderRun('grade', ...words);
  return page();
}

function sampleMake(out, sample) {
  if (!existsSync(join(top, 'build/bin/grader')))
    return { ...sample, missing: 'the grader is not built' };
  try {
    const page = pageGet(sample);
    if (!page) return { ...sample, missing: 'the run has no such page' };
    const file = basename(page);
    mkdirSync(join(out, 'pictures'), { recursive: true });
    copyFileSync(join(top, page), join(out, 'pictures', file));
    return { ...sample, file };
  } catch (error) {
    const said = `${error.stderr ?? ''}`.trim().split('\n')[0];
    return { ...sample, missing: said || 'grading the reference did not work here' };
  }
}

/* Into OUT/pictures; each sample with its file, or with the reason why it is missing. */
export const samplesMake = (out) => SAMPLES.map((sample) => sampleMake(out, sample));
