// What a training came to. The verdict large and in words; each number as a bar: a hollow mark where the base stands, a
// full one where the tuned model does, and the band in which chance alone could have put it. Words by textContent.

const place = element.querySelector('.receipt'), SVG = 'http://www.w3.org/2000/svg';

function made(tag, kind, text, ...inside) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  node.append(...inside);
  return node;
}

// at: {base, tuned, low, high} as shares of the bar's width, each null where it is unknown.
function bar({base, tuned, low, high}, kind) {
  const svg = document.createElementNS(SVG, 'svg'), x = share => (4 + 192 * Math.max(0, Math.min(1, share))).toFixed(1);
  const add = (name, attributes) => {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    svg.append(node);
  };
  svg.setAttribute('viewBox', '0 0 200 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'receipt-bar');
  svg.dataset.kind = kind;
  add('line', {class: 'receipt-track', x1: 4, x2: 196, y1: 8, y2: 8});
  if (low !== null) add('line', {class: 'receipt-band', x1: x(low), x2: x(high), y1: 8, y2: 8});
  if (base !== null && tuned !== null) add('line', {class: 'receipt-way', x1: x(base), x2: x(tuned), y1: 8, y2: 8});
  if (base !== null) add('circle', {class: 'receipt-base', cx: x(base), cy: 8, r: 4});
  if (tuned !== null) add('circle', {class: 'receipt-tuned', cx: x(tuned), cy: 8, r: 4.5});
  return svg;
}

function row({title, of, said, change, word, kind, at}) {
  const line = made('tr', '', undefined, made('th', '', title));
  line.firstElementChild.scope = 'row';
  if (of) line.firstElementChild.append(made('small', '', of));
  const words = made('span', 'receipt-word', word);
  words.dataset.kind = kind;
  line.append(made('td', 'receipt-drawn', undefined, bar(at, kind)), made('td', 'receipt-said', said),
    made('td', 'receipt-change', change), made('td', '', undefined, words));
  return line;
}

function table({title, note, rows}) {
  const part = made('section', 'receipt-part', undefined, made('h4', '', title));
  if (note) part.append(made('p', 'receipt-note', note));
  const grid = made('table', '', undefined, made('tbody', '', undefined, ...rows.map(row)));
  part.append(made('div', 'receipt-wide', undefined, grid));
  return part;
}

function control({title, word, kind, words, rows}) {
  const head = made('p', 'receipt-control', undefined, made('b', '', title));
  const mark = made('span', 'receipt-word', word);
  mark.dataset.kind = kind;
  head.append(mark, made('span', 'receipt-note', words));
  const all = made('li', '', undefined, head);
  if (rows.length) all.append(made('div', 'receipt-wide', undefined,
    made('table', '', undefined, made('tbody', '', undefined, ...rows.map(row)))));
  return all;
}

function show() {
  const {word = '', kind = 'idle', sentences = [], facts = [], tables = [], folded = [], controls = [], bounds = ''}
    = props.value || {};
  place.hidden = !word;
  if (!word) { place.replaceChildren(); return; }
  const open = !!place.querySelector('.receipt-folded')?.open, verdict = made('p', 'receipt-verdict', word);
  verdict.dataset.kind = kind;
  const parts = [verdict, made('ul', 'receipt-sentences', undefined, ...sentences.map(each => made('li', '', each)))];
  if (facts.length) parts.push(made('p', 'receipt-note', facts.join(' · ')));
  parts.push(...tables.map(table));
  if (tables.length && bounds) parts.push(made('p', 'receipt-key', bounds));
  if (controls.length) parts.push(made('section', 'receipt-part', undefined, made('h4', '', 'What keeps it honest'),
    made('ul', 'receipt-controls', undefined, ...controls.map(control))));
  if (folded.length) {
    const more = made('details', 'receipt-folded', undefined, made('summary', '', 'Where it got better, where worse'),
      ...folded.map(table));
    more.open = open;
    parts.push(more);
  }
  place.replaceChildren(...parts);
}

watch('value', show);
show();
