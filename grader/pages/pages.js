/* What the pages have in common: the data, the head, and how one goes through a run. */
const data = JSON.parse(document.getElementById('data').textContent);
const byId = id => document.getElementById(id);

function element(name, properties, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

function svg(name, attributes, text) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
}

/* Whose run it is; and if the check failed, what was asked and what was seen. */
function titleFill() {
  document.title = data.title + ': ' + data.check;
  byId('title').append(data.title + ' ', element('small', {textContent: data.check}));
  if (data.failed)
    byId('title').after(element('div', {className: 'failed', id: 'failed', role: 'note'},
      element('b', {textContent: 'This check failed. '}), `Asked: ${data.failed.asked}. Seen: ` +
      data.failed.seen));
}

/* The number of the event at which the page opens: that of its address (#exit=17), or where
 * the check failed, or the first one. */
function startNumber(word, first, last) {
  const address = new RegExp(`[#&]${word}=(\\d+)`).exec(location.hash);
  const failed = data.failed && data.failed.number >= 0 ? data.failed.number || last : first;
  const number = address ? +address[1] : failed;
  return Math.max(first, Math.min(last, number));
}

/* A picture that is gone through step by step, with a row of the table #body for each.
 * steps.count: function; steps.draw(index); steps.first: the number of the first row; steps.address
 * (perhaps): what else stands in the page's address. Returns go(index, quiet). */
function stepsBegin(steps) {
  let at = 0;
  const go = (index, quiet) => {
    at = Math.max(0, Math.min(steps.count() - 1, index));
    steps.draw(at);
    [...byId('body').rows].forEach((row, i) => row.setAttribute('aria-current', i === at));
    if (byId('body').rows[at]) byId('body').rows[at].scrollIntoView({block: 'nearest'});
    if (!quiet)
      history.replaceState(null, '', `#${steps.address ? steps.address() : ''}` +
                           `step=${at + steps.first}`);
  };
  const moves = {
    ArrowLeft: () => at - 1, ArrowRight: () => at + 1, ArrowUp: () => at - 1,
    ArrowDown: () => at + 1, PageUp: () => at - 10, PageDown: () => at + 10, Home: () => 0,
    End: () => steps.count() - 1,
  };
  byId('first').onclick = () => go(0);
  byId('back').onclick = () => go(at - 1);
  byId('next').onclick = () => go(at + 1);
  byId('last').onclick = () => go(steps.count() - 1);
  byId('body').addEventListener('click', event => {
    const row = event.target.closest('tr');
    if (row) go([...byId('body').rows].indexOf(row));
  });
  document.addEventListener('keydown', event => {
    if (event.target.tagName === 'SELECT' || !moves[event.key]) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(moves[event.key]());
  });
  return go;
}
