// Looking at an object, with a pointer or with the keyboard: its neighbours step back, and what overlaps it in the
// other panels of the room lights up. Needs the DOM and `drawn` of drawing.js.

const SAME = {iou: .3, near: .05};   // least overlap of boxes; farthest points, of the picture's diagonal
let looked;         // the id of the object that is looked at here
let elsewhere = null;   // the annotation that is looked at in another panel

function lookable() {
  svg.addEventListener('pointerover', event => { if (!pointers.size) look(objectOf(event)); });   // not in a drag
  svg.addEventListener('pointerleave', () => look(null));
  svg.addEventListener('focusin', event => {
    look(objectOf(event));
    if (event.target.matches(':focus-visible')) reveal(drawn.get(looked));
  });
  svg.addEventListener('focusout', () => look(null));
  svg.addEventListener('keydown', walk);
  svg.addEventListener('keydown', event => {
    if (event.key.toLowerCase() === 'c' && !unmeant(event) && collect(looked, event.shiftKey)) event.preventDefault();
  });
  svg.addEventListener('click', event => { if (event.shiftKey) collect(objectOf(event)?.dataset.id); });
  root.addEventListener('overlay-light', event => { elsewhere = event.detail; mark(); });
}

function objectOf(event) { return event.target.closest?.('.overlay-object'); }

function look(object) {
  const id = object?.dataset.id;
  if (id === looked) return;
  looked = id;
  mark();
  light();
}

function mark() {
  const lit = overlapping(), model = modelOf(root);
  const mine = new Set(basket().filter(one => one.model === model).map(one => one.id));
  for (const each of element.querySelectorAll('[data-id]')) {
    each.classList.toggle('on', each.dataset.id === looked);
    each.classList.toggle('lit', lit.has(each.dataset.id));
    each.classList.toggle('collected', mine.has(each.dataset.id));
  }
  tags.append(...tags.querySelectorAll('.lit'), ...tags.querySelectorAll('.on'));   // above all other words
  svg.classList.toggle('looking', looked !== undefined);
}

// The ids of the answers that overlap what is looked at in another panel, and here of the truth that overlaps an
// answer, or of the answers that overlap a truth.
function overlapping() {
  if (!view) return new Set();
  const here = drawn.get(looked), like = one => each => one && same(each, one);
  const shown = view.annotations.filter(each => !unsure(each)), others = view.truth.includes(here) ? shown : view.truth;
  return new Set([...shown.filter(like(elsewhere)), ...others.filter(like(here))].map(each => each.id));
}

// Tells the other panels what is looked at here. What came with an answer goes as data; nothing of it becomes HTML.
function light() {
  const detail = drawn.get(looked) || null;
  for (const each of room().querySelectorAll('.overlay')) {
    if (each !== root) each.dispatchEvent(new CustomEvent('overlay-light', {detail}));
  }
}

// Into the basket for the editor, or out of it. `renames`: what was chosen in another panel and overlaps this takes its
// label, which is how one model's box gets another's name.
function collect(id, renames = false) {
  const object = drawn.get(id), model = modelOf(root), some = basket();
  if (!object || model === undefined || view.truth.includes(object)) return false;
  const mine = one => one.model === model && one.id === id;
  if (renames) {
    fillBasket(some.map(one => !mine(one) && iou(one.object.box || [0, 0, 0, 0], object.box || [0, 0, 0, 0]) >= SAME.iou
      ? {...one, object: {...one.object, label: object.label}} : one));
  } else fillBasket(some.some(mine) ? some.filter(one => !mine(one)) : [...some, {model, id, object}]);
  return true;
}

// Boxes are the same object where they overlap enough, whatever they are called. Points need the same label too, since
// two points are seldom at one place; a box and a point meet where the point is inside.
function same(a, b) {
  if (a.box && b.box) return iou(a.box, b.box) >= SAME.iou;
  if (spelled(a) !== spelled(b)) return false;
  const [here, there] = [a, b].map(each => each.points.filter(point => point.visibility !== 'absent'));
  if (here.length && there.length) {
    const far = SAME.near * Math.hypot(view.width, view.height);
    return here.some(p => there.some(q => Math.hypot(p.x - q.x, p.y - q.y) <= far));
  }
  const [x1, y1, x2, y2] = a.box || b.box || [];
  return [...here, ...there].some(({x, y}) => x >= x1 && x <= x2 && y >= y1 && y <= y2);
}

function iou(a, b) {
  const area = ([x1, y1, x2, y2]) => Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
  const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return both / (area(a) + area(b) - both) || 0;   // two boxes without area: 0, not NaN
}

function spelled({label}) { return label.normalize('NFC').toLowerCase(); }

// Arrows go from object to object; Escape goes back to the picture, where they move what is seen.
function walk(event) {
  const all = objects(), now = all.indexOf(objectOf(event)), last = all.length - 1;
  if (now < 0 || unmeant(event)) return;
  const to = {ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0, End: last};
  if (event.key === 'Escape') svg.focus({preventScroll: true});
  if (!(event.key in to)) return;
  event.preventDefault();
  all.forEach(each => each.setAttribute('tabindex', '-1'));
  const next = all[(to[event.key] + all.length) % all.length];
  next.setAttribute('tabindex', '0');
  next.focus({preventScroll: true});
}
