// inspect.mjs - runs inside the page: what is wrong with the slide that is shown?
//
// One function without anything around it: puppeteer sends its text to the browser.
/* global document, getComputedStyle, innerWidth, innerHeight, NodeFilter, DOMPoint */
export function inspectSlide() {
  const SMALLEST = 14 / 0.75 - 0.05; // 14 pt in px
  const problems = [];
  const root = document.querySelector('svg.bespoke-marp-active section') ?? document.body;
  const frame = root.getBoundingClientRect();
  const scale = root.tagName === 'SECTION' ? frame.width / 1280 : 1;
  const short = (text) => `"${text.trim().replace(/\s+/g, ' ').slice(0, 40)}"`;

  // --- the pieces of text, and where they are ---

  function textPieces() {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const pieces = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const owner = node.parentElement;
      if (!node.data.trim() || owner.closest('style, script, aside')) continue;
      if (getComputedStyle(owner).visibility === 'hidden') continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects())
        if (box.width > 1 && box.height > 1) pieces.push({ node, owner, box, text: node.data });
    }
    return pieces;
  }

  // --- size ---

  function fontPixels({ owner }) {
    const size = parseFloat(getComputedStyle(owner).fontSize);
    const inner = owner.closest('svg.fig');
    if (!inner) return size;
    return size * inner.getBoundingClientRect().width / inner.viewBox.baseVal.width / scale;
  }

  // --- room ---

  function leaves({ box }) {
    return box.left < frame.left - 1 || box.top < frame.top - 1 ||
      box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
  }

  // A text in a drawing whose middle is in a rectangle has to stay in it from left to right.
  function bulges({ owner, box }) {
    const drawing = owner.closest('svg.fig');
    if (!drawing) return false;
    const around = drawing.getBoundingClientRect();
    if (box.left < around.left - 1 || box.right > around.right + 1 ||
        box.top < around.top - 2 || box.bottom > around.bottom + 2) return true;
    const x = (box.left + box.right) / 2;
    const y = (box.top + box.bottom) / 2;
    const homes = [...drawing.querySelectorAll('rect')].map((r) => r.getBoundingClientRect())
      .filter((r) => x > r.left && x < r.right && y > r.top && y < r.bottom)
      .sort((a, b) => a.width * a.height - b.width * b.height);
    const air = 4 * scale;
    return homes.length > 0 && (box.left < homes[0].left + air || box.right > homes[0].right - air);
  }

  // Terminal output keeps off the edge of its block.
  function touchesEdge({ owner, box }) {
    const block = owner.closest('pre');
    return block !== null && box.right > block.getBoundingClientRect().right - 8 * scale;
  }

  // A last line that has one short word, and before it full ones.
  function widow(block) {
    const lines = new Map();
    for (const { owner, box } of pieces)
      if (owner.closest('p, li') === block) {
        const y = Math.round(box.bottom / (8 * scale));
        const near = [y - 1, y, y + 1].find((k) => lines.has(k)) ?? y;
        lines.set(near, Math.max(lines.get(near) ?? 0, box.right));
      }
    const ends = [...lines].sort((a, b) => a[0] - b[0]).map(([, right]) => right);
    const { left, width } = block.getBoundingClientRect();
    return ends.length > 1 && ends.at(-1) - left < 0.14 * width;
  }

  function overlap(a, b) {
    const w = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    // Line boxes are taller than letters: two lines may share a little.
    const h = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    return w > 1.5 * scale && h > 0.3 * Math.min(a.box.height, b.box.height);
  }

  // --- lines of a drawing; their ends in pixels of the page ---

  const numbersOf = (e, names) => names.map((name) => Number(e.getAttribute(name)));

  function polyline(drawing, numbers) {
    const toPage = drawing.getScreenCTM();
    const ends = numbers.flatMap((v, i) =>
      (i % 2 ? [] : [new DOMPoint(v, numbers[i + 1]).matrixTransform(toPage)]));
    return ends.slice(1).map((end, i) => [ends[i], end]);
  }

  function edges(drawing) {
    return [...drawing.querySelectorAll('rect')].flatMap((e) => {
      const [x, y, w, h] = numbersOf(e, ['x', 'y', 'width', 'height']);
      return polyline(drawing, [x, y, x + w, y, x + w, y + h, x, y + h, x, y]);
    });
  }

  function strokes(drawing) {
    return [...drawing.querySelectorAll('line, path')].flatMap((e) => polyline(drawing,
      e.tagName === 'line' ? numbersOf(e, ['x1', 'y1', 'x2', 'y2'])
        : e.getAttribute('d').match(/-?[\d.]+/g).map(Number)));
  }

  function distance(p, [a, b]) {
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const along = ((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy || 1);
    const t = Math.min(1, Math.max(0, along));
    return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
  }

  // An arrow ends at the edge of a box: not inside of it, not in the air.
  function arrowsAstray() {
    for (const drawing of root.querySelectorAll('svg.fig'))
      for (const head of drawing.querySelectorAll('polygon.head')) {
        const [x, y] = head.getAttribute('points').match(/-?[\d.]+/g).map(Number);
        const tip = new DOMPoint(x, y).matrixTransform(drawing.getScreenCTM());
        if (!edges(drawing).some((edge) => distance(tip, edge) < 2 * scale))
          problems.push(`an arrow ends at nothing: (${x}, ${y})`);
      }
  }

  // No line, and no edge of a box, runs through a text.
  function struckThrough({ owner, box }) {
    const drawing = owner.closest('svg.fig');
    if (!drawing) return false;
    const inside = (p) => p.x > box.left + 2 && p.x < box.right - 2 &&
      p.y > box.top + box.height * 0.25 && p.y < box.bottom - box.height * 0.25;
    return [...strokes(drawing), ...edges(drawing)].some(([a, b]) => {
      const steps = Math.max(2, Math.ceil(Math.hypot(b.x - a.x, b.y - a.y) / 3));
      for (let i = 0; i <= steps; i++)
        if (inside({ x: a.x + (b.x - a.x) * i / steps, y: a.y + (b.y - a.y) * i / steps })) return true;
      return false;
    });
  }

  // Blocks of a slide may not lie on each other, nor on the footer.
  function blocksOverlap() {
    const blocks = [...root.children].filter((e) => !['STYLE', 'SCRIPT'].includes(e.tagName) &&
      getComputedStyle(e).display !== 'none' && e.getBoundingClientRect().height > 0);
    blocks.forEach((a, i) => blocks.slice(i + 1).forEach((b) => {
      const [x, y] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
      if (Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top) > 1 &&
          Math.min(x.right, y.right) - Math.max(x.left, y.left) > 1)
        problems.push(`overlap: ${a.tagName} ${short(a.textContent)} and ${b.tagName} ${short(b.textContent)}`);
    }));
  }

  // --- contrast (WCAG 2.1, 1.4.3) ---

  const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);

  function luminance([r, g, b]) {
    const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  }

  function contrast(one, other) {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }

  const opaque = (colour) => colour && colour !== 'none' && (channels(colour)[3] ?? 1) === 1 && channels(colour).length >= 3;

  function groundOf({ owner, box }) {
    const x = Math.min(Math.max((box.left + box.right) / 2, 0), innerWidth - 1);
    const y = Math.min(Math.max((box.top + box.bottom) / 2, 0), innerHeight - 1);
    const drawing = owner.closest('svg.fig');
    if (drawing) {
      const shapes = [...drawing.querySelectorAll('rect, polygon.shape')].filter((s) => {
        const r = s.getBoundingClientRect();
        return x > r.left && x < r.right && y > r.top && y < r.bottom && opaque(getComputedStyle(s).fill);
      });
      if (shapes.length) return channels(getComputedStyle(shapes.at(-1)).fill);
    }
    for (let e = owner; e; e = e.parentElement)
      if (opaque(getComputedStyle(e).backgroundColor)) return channels(getComputedStyle(e).backgroundColor);
    return [255, 255, 255];
  }

  function contrastProblem(piece) {
    const style = getComputedStyle(piece.owner);
    const ink = channels(piece.owner.closest('svg.fig') ? style.fill : style.color);
    const pixels = fontPixels(piece);
    const large = pixels >= 24 || (pixels >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(ink, groundOf(piece));
    return ratio < (large ? 3 : 4.5) ? `contrast ${ratio.toFixed(2)}: ${short(piece.text)}` : null;
  }

  // --- all of it ---

  const pieces = textPieces();
  for (const piece of pieces) {
    if (leaves(piece)) problems.push(`leaves the slide: ${short(piece.text)}`);
    if (bulges(piece)) problems.push(`leaves its box: ${short(piece.text)}`);
    if (touchesEdge(piece)) problems.push(`does not fit: ${short(piece.text)}`);
    if (struckThrough(piece)) problems.push(`a line runs through: ${short(piece.text)}`);
    if (fontPixels(piece) < SMALLEST) problems.push(`small, ${(fontPixels(piece) * 0.75).toFixed(1)} pt: ${short(piece.text)}`);
    const faint = contrastProblem(piece);
    if (faint) problems.push(faint);
  }
  pieces.forEach((a, i) => pieces.slice(i + 1).forEach((b) => {
    if (a.node !== b.node && overlap(a, b)) problems.push(`overlap: ${short(a.text)} and ${short(b.text)}`);
  }));
  if (root.tagName === 'SECTION') {
    blocksOverlap();
    arrowsAstray();
    for (const block of root.querySelectorAll('p, li'))
      if (widow(block)) problems.push(`a word alone on the last line: ${short(block.textContent)}`);
    for (const e of root.querySelectorAll('pre, table, figure, svg.fig')) {
      if (e.scrollWidth > e.clientWidth + 1 && e.tagName === 'PRE')
        problems.push(`does not fit: ${short(e.textContent)}`);
      if (leaves({ box: e.getBoundingClientRect() })) problems.push(`leaves the slide: ${e.tagName}`);
    }
    if (root.scrollHeight > root.clientHeight + 1) problems.push('content is taller than the slide');
    if (pieces.length === 0) problems.push('the slide is empty');
  }
  return [...new Set(problems)];
}
