// bits.mjs - draws a structure bit by bit, from a block in a deck:
//
//   ```bits
//   low half                         <- a caption of its own line (optional)
//   63:32 DST | 31:24 - | 23:16 V guest | 15 0 | ...
//   ```
//
// A line with a bar, or one that begins with "63:0 ", is a row, from the highest bit to the lowest. A field is its bits, its label
// ("-" is reserved) and maybe who it belongs to (a class of theme/figure.css). Fields are as
// wide as their text needs, not as their bits: a drawing to read, not to measure.
const WIDTH = 1152;
const CAPTION = 34;
const NUMBERS = 28;
const BOX = 54;
const GAP = 12;
const owners = new Set(['guest', 'vmm', 'kernel', 'hw', 'device', 'bad']);

const escape = (s) => s.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function fieldRead(text) {
  const words = text.trim().split(/\s+/);
  const [high, low] = words.shift().split(':');
  const owner = owners.has(words.at(-1)) && words.length > 1 ? words.pop() : 'plain';
  const label = words.join(' ');
  const numbers = low === undefined ? high.length * 12.5 : (high.length + low.length) * 12.5 + 26;
  return { high, low, label, owner: label === '-' ? 'hw' : owner,
    need: Math.max(numbers, label.length * 13.5) + 14 };
}

function rowDraw(fields, y) {
  const spare = (WIDTH - 4 - fields.reduce((sum, f) => sum + f.need, 0)) / fields.length;
  const parts = [];
  let x = 2;
  for (const f of fields) {
    const w = f.need + spare;
    const middle = (x + w / 2).toFixed(1);
    if (f.low === undefined)
      parts.push(`<text class="s m q" x="${middle}" y="${y + 14}">${f.high}</text>`);
    else
      parts.push(`<text class="s m q l" x="${(x + 5).toFixed(1)}" y="${y + 14}">${f.high}</text>`,
        `<text class="s m q r" x="${(x + w - 5).toFixed(1)}" y="${y + 14}">${f.low}</text>`);
    parts.push(`<rect class="${f.owner}" x="${x.toFixed(1)}" y="${y + NUMBERS}" width="${w.toFixed(1)}" height="${BOX}"/>`);
    if (f.label !== '-')
      parts.push(`<text x="${middle}" y="${y + NUMBERS + BOX / 2}">${escape(f.label)}</text>`);
    x += w;
  }
  return parts.join('');
}

export function bitsDraw(deck, body) {
  const parts = [];
  let y = 0;
  for (const line of body.split('\n').filter((l) => l.trim())) {
    if (line.includes('|') || /^\s*\d+:\d+\s/.test(line)) {
      parts.push(rowDraw(line.split('|').map(fieldRead), y));
      y += NUMBERS + BOX + GAP;
    } else {
      parts.push(`<text class="l b" x="2" y="${y + CAPTION / 2}">${escape(line.trim())}</text>`);
      y += CAPTION;
    }
  }
  const said = escape(body.replace(/\s*\n\s*/g, '; ').replace(/"/g, "'"));
  return `<figure class="bits"><svg class="fig" role="img" aria-label="${said}" viewBox="0 0 ${WIDTH} ${y}">${parts.join('')}</svg></figure>`;
}
