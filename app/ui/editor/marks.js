// What the editor draws above the objects: eight handles of the chosen box, rings around chosen points, the box that is
// being drawn. While something is dragged only its own nodes move; all else is drawn anew when it is let go.

const GRIPS = {nw: [0, 0], n: [.5, 0], ne: [1, 0], e: [1, .5], se: [1, 1], s: [.5, 1], sw: [0, 1], w: [0, .5]};
const NEED = 7, FINGER = 22;   // half of what a pointer and a finger need to hit, in screen pixels
const marks = find('.editor-marks'), draft = find('.editor-draft');
let coarse = matchMedia('(pointer: coarse)').matches;

function markUp() {
  const only = one();
  const grips = only?.box && tool !== 'box' ? Object.keys(GRIPS).flatMap(grip => handle(grip, only.box)) : [];
  const ring = only && joint >= 0 && only.points[joint].visibility !== 'absent' ? [ringed(only.points[joint])] : [];
  marks.replaceChildren(...grips, ...ring);
  for (const each of [...shapes.children, ...tags.children]) {
    each.classList.toggle('chosen', chosen.has(each.dataset.id));
  }
  for (const each of shapes.children) each.classList.toggle('proposed', !drawn.get(each.dataset.id)?.checked);
  tags.append(...tags.querySelectorAll('.chosen'));
}

// A small square that is seen and a large one that is hit, no larger than leaves room to hit the box itself.
function handle(grip, [x1, y1, x2, y2]) {
  const [fx, fy] = GRIPS[grip], x = x1 + (x2 - x1) * fx, y = y1 + (y2 - y1) * fy;
  const shortest = Math.min(x2 - x1, y2 - y1) / unit;
  const reach = (coarse ? Math.max(NEED, Math.min(FINGER, shortest / 3)) : NEED) * unit, half = (coarse ? 6 : 4) * unit;
  const square = (kind, size) => node('rect', {class: kind, 'data-grip': grip, x: x - size, y: y - size,
    width: 2 * size, height: 2 * size});
  return [square('editor-reach', reach), square('editor-grip', half)];
}

function ringed({x, y}) { return node('circle', {class: 'editor-ring', cx: x, cy: y, r: 10 * unit}); }

function shapeOf(id) { return [...shapes.children].find(each => each.dataset.id === id); }

// Everything that shows some objects, so that a drag can take hold of it once.
function held(ids) {
  const of = group => [...group.children].filter(each => ids.has(each.dataset.id));
  return {shapes: of(shapes), words: of(tags)};
}

function slide({shapes: some, words: said}, dx, dy) {
  const by = `translate(${dx} ${dy})`;
  for (const each of [...some, ...said, marks]) each.setAttribute('transform', by);
}

function rest() {
  for (const each of [...shapes.children, ...tags.children, marks]) each.removeAttribute('transform');
  draft.setAttribute('width', 0);
  draft.setAttribute('height', 0);
}

// One box while a handle is dragged.
function stretch({shapes: [shape]}, box) {
  for (const each of shape.querySelectorAll('rect')) put(each, box);
  marks.replaceChildren(...Object.keys(GRIPS).flatMap(grip => handle(grip, box)));
}

// One point while it is dragged, with the bones that end in it.
function bend({shapes: [shape]}, n, [x, y]) {
  set(shape.querySelectorAll(`[data-n="${n}"]`), {cx: x, cy: y});
  set(shape.querySelectorAll(`[data-from="${n}"]`), {x1: x, y1: y});
  set(shape.querySelectorAll(`[data-to="${n}"]`), {x2: x, y2: y});
  marks.replaceChildren(ringed({x, y}));
}

function sketch(box, paint) {
  put(draft, box);
  draft.setAttribute('stroke', paint);
  draft.setAttribute('fill', paint);
}

function put(rect, [x1, y1, x2, y2]) { set([rect], {x: x1, y: y1, width: x2 - x1, height: y2 - y1}); }

function set(nodes, attributes) {
  for (const each of nodes) for (const name in attributes) each.setAttribute(name, attributes[name]);
}
