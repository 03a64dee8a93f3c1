// Draws annotations over a picture. Every number is a pixel of the upright original; `u` is one screen pixel in them.
// Runs once per component with `element`, `props` and `watch` from Gradio. Labels only ever go in through textContent.

const TAG = {height: 18, padding: 5, size: 12, widest: .6};   // screen pixels; of the picture's width
const NAME = {height: 14, size: 11, away: 9};
const find = selector => element.querySelector(selector);
const svg = find('.overlay-svg'), paper = find('.overlay-paper'), image = find('.overlay-image');
const hint = find('.overlay-hint'), shapes = find('.overlay-shapes'), tags = find('.overlay-tags');
const pen = document.createElement('canvas').getContext('2d');
let view = null;   // the value that is on the screen
let u = 1, family = 'sans-serif';

function show() {
  const next = props.value && props.value.image ? props.value : null;
  hint.textContent = next ? '' : props.hint;
  svg.toggleAttribute('hidden', !next);
  if (!next) { image.removeAttribute('href'); shapes.replaceChildren(); tags.replaceChildren(); view = null; return; }
  const same = view && view.image.url === next.image.url && view.width === next.width && view.height === next.height;
  if (!same) place(next);
  const news = !same || JSON.stringify(view.annotations) !== JSON.stringify(next.annotations);
  view = next;
  if (news) draw();
}

// The box of the right shape is there before the picture's bytes are, so nothing jumps when they come.
function place({image: file, width, height}) {
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.style.aspectRatio = `${width} / ${height}`;
  for (const each of [paper, image]) {   // paper: the models see what is transparent on white, so people do too
    each.setAttribute('width', width);
    each.setAttribute('height', height);
  }
  image.setAttribute('href', file.url);
  measure({width, height});
}

function measure({width, height}) {
  const screen = svg.getBoundingClientRect();
  u = screen.width && screen.height ? Math.max(width / screen.width, height / screen.height) : 1;
  svg.style.setProperty('--u', u);
  family = getComputedStyle(svg).fontFamily;
}

function draw() {
  const looked = shapes.querySelector('.on')?.dataset.id, focused = shapes.contains(document.activeElement);
  const large = ({box}) => box ? (box[2] - box[0]) * (box[3] - box[1]) : 0;
  const visible = view.annotations.filter(each => each.box || each.points.length);
  visible.sort((a, b) => large(b) - large(a));   // small ones last, on top, where a pointer can reach them
  const taken = [];                              // the places that words already cover
  const words = [];
  replace(shapes, visible.map(shape));
  for (const each of visible) words.push(tag(each, taken));
  for (const each of visible) if (each.points.length > 1) words.push(...names(each, taken));
  tags.replaceChildren(...words.filter(Boolean));
  svg.setAttribute('aria-label', spoken(view.annotations));
  if (!shapes.querySelector('[tabindex="0"]')) shapes.firstChild?.setAttribute('tabindex', '0');
  if (looked !== undefined) look(looked, focused);
}

// Shapes that did not change stay the nodes that they were: nothing flickers, and what has the focus keeps it.
function replace(parent, wanted) {
  const now = new Map([...parent.children].map(each => [each.dataset.id, each]));
  const next = wanted.map(each => now.get(each.dataset.id)?.drawn === each.drawn ? now.get(each.dataset.id) : each);
  for (const old of now.values()) if (!next.includes(old)) old.remove();
  next.forEach((each, n) => {
    if (parent.children[n] !== each) parent.insertBefore(each, parent.children[n] || null);
  });
}

function shape(annotation) {
  const paint = colour(annotation.label);
  const group = node('g', {class: 'overlay-object', 'data-id': annotation.id, tabindex: -1, role: 'img',
    'aria-label': described(annotation)});
  group.drawn = JSON.stringify(annotation);
  if (annotation.box) {
    const [x1, y1, x2, y2] = annotation.box, at = {x: x1, y: y1, width: x2 - x1, height: y2 - y1};
    group.append(node('rect', {class: 'overlay-outline', ...at}),
      node('rect', {class: 'overlay-box', stroke: paint, fill: paint, ...at}));
  }
  group.append(node('title', {}, described(annotation)));   // a tooltip with all that a tag may have cut off
  for (const {name, x, y, visibility} of annotation.points) {
    if (visibility === 'absent') continue;
    const unseen = visibility === 'hidden' ? ' unseen' : '';
    group.append(node('circle', {class: 'overlay-point-outline', cx: x, cy: y}),
      node('circle', {class: 'overlay-point' + unseen, cx: x, cy: y, fill: paint, 'data-name': name}));
  }
  return group;
}

// A tag stands above its box, or where it hides no other tag, and always inside the picture.
function tag(annotation, taken) {
  const words = [annotation.label || annotation.points[0]?.name, scored(annotation)].filter(Boolean).join(' ');
  if (!words) return null;
  const whole = view.width / u, widest = Math.min(whole, Math.max(120, whole * TAG.widest));
  const text = fitted(words, TAG.size, widest - 2 * TAG.padding);
  const width = textWidth(text, TAG.size) * u + 2 * TAG.padding * u, height = TAG.height * u;
  const [x1, y1, x2, y2] = annotation.box || around(annotation.points);
  const {spot, crowded} = free([[x1, y1 - height], [x1, y1], [x2 - width, y1 - height], [x1, y2], [x2 - width, y2],
    [x1, y2 - height], [x2, y1], [x1 - width, y1]], width, height, taken);
  const group = node('g', {class: 'overlay-tag' + crowded, 'data-id': annotation.id});
  const paint = colour(annotation.label);
  group.append(node('rect', {x: spot[0], y: spot[1], width, height, fill: paint}),
    node('text', {x: spot[0] + TAG.padding * u, y: spot[1] + height / 2, fill: inkOn(paint)}, text));
  return group;
}

function names({id, points}, taken) {
  return points.filter(point => point.visibility !== 'absent' && point.name).map(({name, x, y}) => {
    const text = fitted(name, NAME.size, view.width / u / 2);
    const width = textWidth(text, NAME.size) * u, height = NAME.height * u, away = NAME.away * u;
    const {spot, crowded} = free([[x + away, y - height / 2], [x - away - width, y - height / 2],
      [x - width / 2, y - away - height], [x - width / 2, y + away]], width, height, taken);
    return node('text', {class: 'overlay-name' + crowded, 'data-id': id, x: spot[0], y: spot[1] + height / 2}, text);
  });
}

// The first of the places that is inside the picture and covers no other words. Where there is none the words are
// crowded: they wait, pushed inside the picture, until their object is looked at.
function free(spots, width, height, taken) {
  const within = (value, most) => Math.max(0, Math.min(value, most));
  const inside = ([x, y]) => [within(x, view.width - width), within(y, view.height - height)];
  const covers = ([x, y]) => taken.some(([a, b, c, d]) => x < c && a < x + width && y < d && b < y + height);
  const fits = ([x, y]) => y >= 0 && y + height <= view.height;
  const spot = spots.filter(fits).map(inside).find(place => !covers(place));
  if (!spot) return {spot: inside(spots.find(fits) || spots[0]), crowded: ' crowded'};
  taken.push([...spot, spot[0] + width, spot[1] + height]);
  return {spot, crowded: ''};
}

function around(points) {
  const seen = points.filter(point => point.visibility !== 'absent'), all = seen.length ? seen : points;
  const xs = all.map(point => point.x), ys = all.map(point => point.y), margin = NAME.away * u;
  return [Math.min(...xs) - margin, Math.min(...ys) - margin, Math.max(...xs) + margin, Math.max(...ys) + margin];
}

// One colour per label everywhere: FNV-1a over the palette, the same sum as `colour` in __init__.py.
function colour(label) {
  let hashed = 2166136261;
  for (const byte of new TextEncoder().encode(label.normalize('NFC').toLowerCase())) {
    hashed = Math.imul(hashed ^ byte, 16777619) >>> 0;
  }
  return props.palette[hashed % props.palette.length];
}

// Black or white, whichever has more contrast on the colour (WCAG's relative luminance).
function inkOn(paint) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(paint.slice(i, i + 2), 16) / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b > .179 ? '#000' : '#fff';
}

function textWidth(text, size) {
  pen.font = `600 ${size}px ${family}`;
  return pen.measureText(text).width;
}

function fitted(text, size, width) {
  if (textWidth(text, size) <= width) return text;
  const letters = [...text];
  let few = 0, many = letters.length;
  while (few < many - 1) {
    const half = (few + many) >> 1;
    if (textWidth(letters.slice(0, half).join('') + '…', size) <= width) few = half; else many = half;
  }
  return letters.slice(0, few).join('') + '…';
}

function scored({score}) { return score == null ? '' : score.toFixed(2); }

function described({label, box, points, score}) {
  const said = [label || 'object'], [x1, y1, x2, y2] = (box || []).map(Math.round);
  if (box) said.push(`box from ${x1}, ${y1} to ${x2}, ${y2}`);
  for (const point of points) {
    said.push(`${point.name || 'point'} ${point.visibility === 'absent' ? 'absent'
      : `at ${Math.round(point.x)}, ${Math.round(point.y)}${point.visibility === 'hidden' ? ', hidden' : ''}`}`);
  }
  if (score != null) said.push(`score ${score.toFixed(2)}`);
  return said.join('; ');
}

function spoken(annotations) {
  if (!annotations.length) return 'Picture with nothing drawn on it';
  return `Picture with ${annotations.length} object${annotations.length > 1 ? 's' : ''}; arrow keys go through them`;
}

function node(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Looking at an object: with a pointer, or with the keyboard (Tab to the picture, arrows from object to object).
function look(id, focus = false) {
  for (const each of element.querySelectorAll('[data-id]')) each.classList.toggle('on', each.dataset.id === id);
  tags.append(...tags.querySelectorAll('.on'));   // its words on top of all others
  const object = shapes.querySelector('.on');
  svg.classList.toggle('looking', !!object);
  if (object && focus) object.focus({preventScroll: true});
}

const objectOf = event => event.target.closest?.('.overlay-object');
svg.addEventListener('pointerover', event => look(objectOf(event)?.dataset.id));
svg.addEventListener('pointerleave', () => look(undefined));
svg.addEventListener('focusin', event => look(objectOf(event)?.dataset.id));
svg.addEventListener('focusout', () => look(undefined));
svg.addEventListener('keydown', event => {
  const all = [...shapes.children], now = all.indexOf(objectOf(event)), last = all.length - 1;
  const to = {ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0, End: last};
  if (event.key === 'Escape') document.activeElement.blur();
  if (!(event.key in to) || !all.length) return;
  event.preventDefault();
  all.forEach(each => each.setAttribute('tabindex', '-1'));
  const next = all[(to[event.key] + all.length) % all.length];
  next.setAttribute('tabindex', '0');
  next.focus({preventScroll: true});
});

new ResizeObserver(() => { if (view) { measure(view); draw(); } }).observe(svg);
watch('value', show);   // gr.HTML takes every other word in quotes for the name of an event
show();
