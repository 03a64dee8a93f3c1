// Pictures with two answers beside each other: the base's, and the tuned model's; while it learns, that of any
// evaluation. What is true is drawn in black and white under both. Words go in through textContent.

const SVG = 'http://www.w3.org/2000/svg';
const find = selector => element.querySelector(selector);
const place = find('.pairs'), list = find('.pairs-rows'), when = find('.pairs-when'), slider = find('.pairs-when input');
let at = null;   // the evaluation that a person chose; null: always the newest

function made(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function drawn(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  return node;
}

function marks({box, points, colour, label}, {width, height}, ofTruth) {
  const parts = [], kind = ofTruth ? 'pairs-truth' : 'pairs-box';
  if (box) {
    const where = {x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1]};
    parts.push(drawn('rect', {class: 'pairs-outline', ...where}),
      drawn('rect', {class: kind, ...where, ...(ofTruth ? {} : {stroke: colour})}));
  }
  for (const [x, y] of points) {
    parts.push(drawn('circle', {class: ofTruth ? 'pairs-truth' : 'pairs-point', cx: x, cy: y,
      r: Math.max(width, height) / (ofTruth ? 60 : 90), ...(ofTruth ? {} : {fill: colour})}));
  }
  const title = document.createElementNS(SVG, 'title');
  title.textContent = ofTruth ? `what is true: ${label}` : label;
  parts[parts.length - 1]?.append(title);
  return parts;
}

function pane(row, {title, note, shapes, text}, index) {
  const figure = made('figure', 'pairs-pane'), open = row.opens, frame = made(open ? 'button' : 'div', 'pairs-frame');
  const svg = drawn('svg', {viewBox: `0 0 ${row.width} ${row.height}`, role: 'img',
    'aria-label': `${title}: ${shapes.map(each => each.label).join(', ') || text || 'nothing'}`});
  frame.style.aspectRatio = `${row.width} / ${row.height}`;
  if (open) {
    frame.type = 'button';
    frame.title = 'Look closer';
    frame.addEventListener('click', () => trigger('select', {index: row.index}));
  }
  if (row.image) {
    const picture = made('img');
    picture.src = row.image.url;
    picture.alt = '';
    picture.loading = 'lazy';
    frame.append(picture);
  }
  svg.append(...row.truth.flatMap(each => marks(each, row, true)), ...shapes.flatMap(each => marks(each, row, false)));
  frame.append(svg);
  const words = made('figcaption');
  words.append(made('b', '', title), made('span', '', note));
  if (text) words.append(made('span', 'pairs-text', text));
  figure.append(frame, words);
  figure.dataset.pane = index;
  return figure;
}

function legend(row, panes) {
  const colours = new Map(panes.flatMap(each => each.shapes).map(({label, colour}) => [label, colour]));
  const line = made('p', 'pairs-legend');
  for (const [label, colour] of [...colours].slice(0, 6)) {
    const entry = made('span'), swatch = made('i');
    swatch.style.background = colour;
    entry.append(swatch, label || 'object');
    line.append(entry);
  }
  if (row.truth.length) {
    const entry = made('span');
    entry.append(made('i', 'pairs-true'), 'what is true');
    line.append(entry);
  }
  return line;
}

function item(row, newest) {
  const whole = made('li', 'pairs-row'), head = made('p', 'pairs-head'), both = made('div', 'pairs-both');
  const shown = [row.panes[0], row.panes[newest]].filter(Boolean);
  head.append(made('b', '', row.name), made('span', '', row.note));
  both.append(...shown.map((each, n) => pane(row, each, n)));
  whole.append(head, both, legend(row, shown));
  return whole;
}

function show() {
  const {title = '', note = '', rows = [], steps = []} = props.value || {};
  const held = list.contains(document.activeElement)
    ? [...list.querySelectorAll('button')].indexOf(document.activeElement) : -1;
  place.hidden = !rows.length;
  place.setAttribute('aria-label', title);
  find('.pairs-title').textContent = title;
  find('.pairs-note').textContent = note;
  const last = steps.length ? steps.length - 1 : 1, newest = at === null ? last : Math.min(at, last);
  when.hidden = steps.length < 3;
  slider.max = last;
  slider.value = newest;
  slider.setAttribute('aria-valuetext', steps[newest] || '');
  find('.pairs-when span').textContent = steps[newest] || '';
  list.replaceChildren(...rows.map(row => item(row, newest)));
  if (held >= 0) list.querySelectorAll('button')[held]?.focus({preventScroll: true});
}

slider.addEventListener('input', () => {
  at = Number(slider.value) === Number(slider.max) ? null : Number(slider.value);
  show();
});
let before = '';
watch('value', () => {
  const id = (props.value || {}).id || '';
  if (id !== before) { at = null; before = id; }
  show();
});
show();
