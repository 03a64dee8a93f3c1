// Draws annotations over a picture. Every number is a pixel of the upright original; `unit` is one screen pixel in
// them. Runs once per component with `element`, `props` and `watch` from Gradio, joined behind room.js (what the panels
// share), words.js (tags), looking.js (hover and focus) and zoom.js, and in front of the script that starts it:
// overlay.js, which only shows, or the editor's. Labels only ever go in through textContent.

const find = selector => element.querySelector(selector);
const root = find('.overlay'), svg = find('.overlay-svg'), paper = find('.overlay-paper');
const image = find('.overlay-image'), hint = find('.overlay-hint');
const truths = find('.overlay-truths'), shapes = find('.overlay-shapes'), tags = find('.overlay-tags');
const drawn = new Map();   // what is on the screen, answers and truth, by data-id
let view = null;           // the value that is on the screen
let screen = {width: 0, height: 0};   // of the picture's place on the page
let whole = 1, unit = 1;   // one screen pixel, when the whole picture is seen and now
let sight = [0, 0, 1, 1];  // the part of the picture that is seen, as a box
let family = 'sans-serif', due = 0;
let ownSkeletons = [];     // figures that a person made in the editor

function room() { return element.closest('.panels') || element; }

function clear() {
  image.removeAttribute('href');
  for (const each of [truths, shapes, tags]) each.replaceChildren();
  drawn.clear();
  view = null;
  look(null);
  tell();
}

// The box of the right shape is there before the picture's bytes are, so nothing jumps when they come.
function hang() {
  const {image: {url}, width, height} = view, shared = room().dataset;
  svg.style.aspectRatio = `${width} / ${height}`;
  for (const each of [paper, image]) {   // paper: the models see what is transparent on white, so people do too
    each.setAttribute('width', width);
    each.setAttribute('height', height);
  }
  image.setAttribute('href', url);
  if (shared.picture !== url) { shared.picture = url; fit(); }   // a panel that comes later looks where the others do
  shared.hide ??= kept();
  measure();
  frame();
}

// Apart from `frame`, which runs in every step of a zoom: asking for sizes makes the browser lay out the page.
function measure() {
  screen = svg.getBoundingClientRect();
  family = getComputedStyle(svg).fontFamily;
}

// What is seen, and how large a screen pixel is in it. With margins at the sides, more is seen than the viewBox says.
function frame() {
  const {width, height} = view, {x, y, times} = zoom();
  if (screen.width && screen.height) whole = Math.max(width / screen.width, height / screen.height);
  unit = whole / times;
  const reach = (middle, side, pixels) => {
    const half = Math.max(side / times, pixels * unit) / 2;
    return [Math.max(0, middle * side - half), Math.min(side, middle * side + half)];
  };
  const [left, right] = reach(x, width, screen.width), [top, bottom] = reach(y, height, screen.height);
  sight = [left, top, right, bottom];
  svg.setAttribute('viewBox', [x * width - width / times / 2, y * height - height / times / 2, width / times,
    height / times].join(' '));
  svg.style.setProperty('--u', unit);
  svg.classList.toggle('enlarged', times > 1);
  svg.classList.toggle('sharp', times > 1 && unit < 1 / 3);   // pixels that one can count are shown as such
}

// However often the room changes, it is drawn once per frame of the screen.
function soon() {
  due ||= requestAnimationFrame(() => { due = 0; if (view) { frame(); write(); } });
}

function draw() {
  const large = ({box}) => box ? (box[2] - box[0]) * (box[3] - box[1]) : 0;
  const visible = list => list.filter(each => each.box || each.points.length).sort((a, b) => large(b) - large(a));
  const answers = visible(view.annotations), truth = visible(view.truth);   // small ones last, where a pointer gets
  const was = looked, held = svg.contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
  drawn.clear();
  for (const each of [...truth, ...answers]) drawn.set(each.id, each);
  replace(truths, truth, true);
  replace(shapes, answers);
  if (held !== undefined) (objects().find(each => each.dataset.id === held) || svg).focus({preventScroll: true});
  looked = drawn.has(was) ? was : undefined;
  write();
  light();
  tell();
}

// Shapes that did not change stay the nodes that they were: nothing flickers, and what has the focus keeps it.
function replace(parent, wanted, ofTruth) {
  const now = new Map([...parent.children].map(each => [each.dataset.id, each]));
  const next = wanted.map(each => {
    const old = now.get(each.id);
    return old?.drawn === JSON.stringify(each) ? old : shape(each, ofTruth);
  }), stay = new Set(next);
  for (const old of now.values()) if (!stay.has(old)) old.remove();
  next.forEach((each, n) => {
    if (parent.children[n] !== each) parent.insertBefore(each, parent.children[n] || null);
  });
}

function objects() {
  return [...shapes.querySelectorAll(':scope > :not(.unsure)'), ...(hidden().has('truth') ? [] : truths.children)];
}

function write() {
  const [answers, truth] = [shapes, truths].map(group => [...group.children].map(each => drawn.get(each.dataset.id)));
  for (const each of shapes.children) each.classList.toggle('unsure', unsure(drawn.get(each.dataset.id)));
  if (drawn.has(looked) && unsure(drawn.get(looked))) look(null);
  tags.replaceChildren(...words(answers.filter(each => !unsure(each)), truth));
  svg.setAttribute('aria-label', spoken(view.annotations));
  mark();
  stops();
}

// Tab comes to one object, from which the arrows go on; where a hidden one has the focus, the picture takes it.
function stops() {
  const all = objects(), active = document.activeElement;
  if (!all.some(each => each.tabIndex === 0)) all[0]?.setAttribute('tabindex', '0');
  if (svg.contains(active) && active !== svg && !all.includes(active)) svg.focus({preventScroll: true});
}

function shape(annotation, ofTruth = false) {
  const paint = ofTruth ? '#fff' : colour(annotation.label);
  const said = (ofTruth ? `${beneath()}: ` : '') + described(annotation);
  const group = node('g', {class: 'overlay-object' + (ofTruth ? ' overlay-truth' : ''), 'data-id': annotation.id,
    tabindex: -1, role: 'img', 'aria-label': said});
  if (annotation.score != null) group.setAttribute('data-score', annotation.score);
  group.drawn = JSON.stringify(annotation);
  if (annotation.box) {
    const [x1, y1, x2, y2] = annotation.box, at = {x: x1, y: y1, width: x2 - x1, height: y2 - y1};
    group.append(node('rect', {class: 'overlay-outline', ...at}),
      node('rect', {class: 'overlay-box', stroke: paint, fill: paint, ...at}));
  }
  group.append(node('title', {}, said));   // a tooltip with all that a tag may have cut off
  group.append(...bones(annotation, paint));
  annotation.points.forEach(({name, x, y, visibility}, n) => {
    if (visibility === 'absent') return;
    const unseen = visibility === 'hidden' ? ' unseen' : '';
    group.append(node('circle', {class: 'overlay-point-outline', cx: x, cy: y, 'data-n': n}),
      node('circle', {class: 'overlay-point' + unseen, cx: x, cy: y, fill: paint, 'data-name': name, 'data-n': n}));
  });
  return group;
}

// The lines of a figure: those of the first skeleton that knows most of its joints.
function bones({points}, paint) {
  const at = new Map(points.map((point, n) => [point.name, n])), there = name => points[at.get(name)];
  const lines = skeleton(points)?.lines.filter(line => line.every(
    name => at.has(name) && there(name).visibility !== 'absent')) || [];
  return lines.map(([from, to]) => node('line', {class: 'overlay-bone', stroke: paint, 'data-from': at.get(from),
    'data-to': at.get(to), x1: there(from).x, y1: there(from).y, x2: there(to).x, y2: there(to).y}));
}

function skeleton(points) {
  if (points.length < 2) return null;
  const known = ({names}) => points.filter(point => names.includes(point.name)).length;
  return skeletons().find(each => each.lines.length && known(each) * 2 > points.length) || null;
}

function skeletons() { return [...ownSkeletons, ...(props.skeletons || [])]; }

// What the layer under the answers is called.
function beneath() { return props.beneath || 'truth'; }

// One colour per label everywhere: FNV-1a over the palette, the same sum as `colour` in __init__.py.
function colour(label) {
  let hashed = 2166136261;
  for (const byte of new TextEncoder().encode(label.normalize('NFC').toLowerCase())) {
    hashed = Math.imul(hashed ^ byte, 16777619) >>> 0;
  }
  return props.palette[hashed % props.palette.length];
}

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
  const away = annotations.filter(unsure).length, shown = annotations.length - away;
  return `Picture with ${shown} object${shown === 1 ? '' : 's'}${away ? ` and ${away} too unsure to show` : ''}; `
    + 'Tab and arrow keys go through them, + and - zoom';
}

function node(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}
