// Mouse, pen and fingers. One pointer edits: on an object it chooses and moves, on a handle it resizes, elsewhere it
// draws. Two fingers, the middle button, the space bar or a long press on an empty place move the picture.

const LONG = 500;           // milliseconds of a long press
let tool = 'edit';          // or 'box' (draws over objects too), or 'points'
let gesture = null;         // what the pointer that is down is doing
let spaced = false, waiting = 0;

function pointable() {
  svg.addEventListener('pointerdown', press);
  svg.addEventListener('pointermove', drag);
  svg.addEventListener('pointerup', release);
  svg.addEventListener('pointercancel', event => { pointers.delete(event.pointerId); cancel(); });
  svg.addEventListener('wheel', turn, {passive: false});
  svg.addEventListener('dblclick', event => { if (objectOf(event)) askLabel(); });
  svg.addEventListener('contextmenu', event => { if (coarse || gesture) event.preventDefault(); });
}

function press(event) {
  if (!view || event.button > 1) return;
  coarse = event.pointerType === 'touch';
  svg.focus({preventScroll: true});
  measure();
  pointers.set(event.pointerId, event);
  svg.setPointerCapture(event.pointerId);
  clearTimeout(waiting);
  if (pointers.size > 1) { cancel(); gesture = {kind: 'pan', moved: true}; return; }
  gesture = {...beginning(event), start: event, at: at(event), moved: false};
  if (event.button === 1) event.preventDefault();
  if (coarse) waiting = setTimeout(longPressed, LONG);
}

function beginning(event) {
  const target = event.target, object = objectOf(event), add = event.shiftKey || event.ctrlKey || event.metaKey;
  if (event.button === 1 || spaced) return {kind: 'pan'};
  const close = add ? -1 : closePoint(at(event), target.dataset.grip);
  if (close >= 0) {
    choose([...chosen], {point: close});
    return {kind: 'bend', n: close, of: one(), nodes: held(chosen)};
  }
  if (target.dataset.grip) return {kind: 'resize', grip: target.dataset.grip, of: one(), nodes: held(chosen)};
  if (tool === 'box') return {kind: 'draw'};
  const n = target.dataset.n === undefined ? -1 : Number(target.dataset.n);
  if (object && n >= 0 && !add) {
    choose([object.dataset.id], {point: n});
    return {kind: 'bend', n, of: one(), nodes: held(chosen)};
  }
  if (tool === 'points') return {kind: 'joint'};
  if (!object) return add ? {kind: 'lasso'} : {kind: 'draw'};
  const was = chosen.has(object.dataset.id);
  if (add) { choose([object.dataset.id], {add}); return {kind: 'none'}; }
  if (!was) choose([object.dataset.id]);
  else if (joint >= 0) { joint = -1; refresh(); }
  return {kind: 'move', again: was, some: picked(), nodes: held(chosen)};
}

// The point of the chosen object that is meant: a finger covers more than a point, and a handle may lie over one.
function closePoint([x, y], grip) {
  const only = one();
  if (!only?.points.length || tool === 'box') return -1;
  const away = (px, py) => Math.hypot(px - x, py - y) / unit;
  const far = only.points.map(each => each.visibility === 'absent' ? Infinity : away(each.x, each.y));
  const least = Math.min(...far), [fx, fy] = GRIPS[grip] || [], [x1, y1, x2, y2] = only.box || [];
  const handle = grip ? away(x1 + (x2 - x1) * fx, y1 + (y2 - y1) * fy) : Infinity;
  return least <= (coarse ? FINGER : NEED) && least < handle ? far.indexOf(least) : -1;
}

// On an object a long press adds it to the choice, elsewhere it takes hold of the picture.
function longPressed() {
  if (!gesture || gesture.moved) return;
  navigator.vibrate?.(15);
  const object = gesture.start.target.closest?.('.overlay-object');
  if (object && gesture.kind === 'move') {
    if (gesture.again) choose([object.dataset.id], {add: true});
    gesture = {...gesture, kind: 'none'};
  } else if (gesture.kind === 'draw' || gesture.kind === 'joint') gesture = {...gesture, kind: 'pan'};
}

function drag(event) {
  if (!gesture || !pointers.has(event.pointerId)) return;
  if (gesture.kind === 'pan') return pan(event);
  pointers.set(event.pointerId, event);
  const {start} = gesture, tremble = coarse ? 2 * STILL : STILL;
  if (!gesture.moved && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < tremble) return;
  gesture.moved = true;
  clearTimeout(waiting);
  dragged(gesture, at(event));
}

function dragged(now, [x, y]) {
  const [x0, y0] = now.at;
  if (now.kind === 'move') {
    [now.dx, now.dy] = allowed(now.some, x - x0, y - y0);
    slide(now.nodes, now.dx, now.dy);
  } else if (now.kind === 'resize') stretch(now.nodes, now.box = resized(now.of.box, now.grip, x - x0, y - y0));
  else if (now.kind === 'bend') bend(now.nodes, now.n, now.to = [inside(x, view.width), inside(y, view.height)]);
  else if (now.kind !== 'none') {
    sketch(now.box = tidy([x0, y0, x, y]), now.kind === 'lasso' ? '#ffffff' : colour(coming()));
  }
}

function resized([x1, y1, x2, y2], grip, dx, dy) {
  return tidy([x1 + (grip.includes('w') ? dx : 0), y1 + (grip.includes('n') ? dy : 0),
    x2 + (grip.includes('e') ? dx : 0), y2 + (grip.includes('s') ? dy : 0)]);
}

function pan(event) {
  const before = grip();
  pointers.set(event.pointerId, event);
  const now = grip();
  gesture.moved = true;
  clearTimeout(waiting);
  svg.classList.add('dragging');
  magnify(pointers.size > 1 ? now.spread / before.spread : 1, place(before), place(now));
}

function release(event) {
  pointers.delete(event.pointerId);
  clearTimeout(waiting);
  if (pointers.size) return;   // the other finger is still down
  const done = gesture;
  gesture = null;
  svg.classList.remove('dragging');
  if (!done) return;
  if (done.moved) finish(done); else if (done.kind !== 'pan') clicked(done);
  rest();
}

function finish({kind, some, dx, dy, of, box, n, to}) {
  if (kind === 'move') edit('Moved', altered(chosen, each => shifted(each, dx, dy)));
  else if (kind === 'resize') edit('Resized', altered(chosen, () => ({box})));
  else if (kind === 'bend') edit(`${of.points[n].name} moved`, altered(chosen, each => bent(each, n, to)));
  else if (kind === 'lasso') choose(items.filter(each => covered(each, box)).map(each => each.id), {add: true});
  else if (kind === 'joint') addFigure(box);
  else if (kind === 'draw' && (box[2] - box[0]) / unit > STILL && (box[3] - box[1]) / unit > STILL) addBox(box);
}

function bent(each, n, [x, y]) {
  return {points: each.points.map((point, i) => i === n
    ? {...point, x, y, visibility: point.visibility === 'absent' ? 'visible' : point.visibility} : point)};
}

function clicked({kind, at: [x, y], again, start}) {
  if (kind === 'joint') return addPoint(x, y);
  if (kind === 'draw' || kind === 'lasso') return choose([]);
  if (kind === 'move' && (again || chosen.size > 1)) {
    if (chosen.size > 1) choose([start.target.closest('.overlay-object').dataset.id]); else nextBeneath(x, y);
  }
}

function cancel() {
  gesture = null;
  clearTimeout(waiting);
  svg.classList.remove('dragging');
  rest();
  if (view) refresh();
}

function addBox(box, said = '') {
  const made = drawnByHand(coming(), box, []);
  edit(said || `${made.label} drawn`, [...items, made], {choose: [made.id]});
}

function drawnByHand(label, box, points) {
  return {id: fresh(), label, box, points, score: null, crowd: false, area: null, checked: true};
}

// From the keyboard: a box in the middle of what is seen, which arrows then move and resize.
function insert() {
  const [x1, y1, x2, y2] = sight, w = (x2 - x1) / 5, h = (y2 - y1) / 5, x = (x1 + x2) / 2, y = (y1 + y2) / 2;
  if (tool === 'points' && (one() || figure().names.length < 2)) addPoint(x, y);
  else if (tool === 'points') addFigure(tidy([x - w, y - 2 * h, x + w, y + 2 * h]));
  else addBox(tidy([x - w / 2, y - h / 2, x + w / 2, y + h / 2]));
}

// The next of the objects that lie at one place: small ones first, then what they cover, then the first again.
function nextBeneath(x, y) {
  const size = each => each.box ? (each.box[2] - each.box[0]) * (each.box[3] - each.box[1]) : 0;
  const here = items.filter(each => covers(each, x, y)).sort((a, b) => size(a) - size(b));
  const now = here.findIndex(each => chosen.has(each.id)), next = here[(now + 1) % here.length];
  if (next) choose([next.id]);
  if (here.length < 2) say('Nothing else lies here');
}

function covers({box, points}, x, y) {
  const [x1, y1, x2, y2] = box || (points.length ? around(points) : [0, 0, -1, -1]);
  return x >= x1 && x <= x2 && y >= y1 && y <= y2;
}

function covered({box, points}, [x1, y1, x2, y2]) {
  const [a, b, c, d] = box || (points.length ? around(points) : [0, 0, -1, -1]);
  return c >= a && a >= x1 && b >= y1 && c <= x2 && d <= y2;
}

// Where an event is on the picture, in its pixels. `measure` has looked where the picture is on the screen.
function at({clientX, clientY}) {
  const {x, y} = zoom(), {left, top, width, height} = screen;
  return [x * view.width + (clientX - left - width / 2) * unit, y * view.height + (clientY - top - height / 2) * unit];
}

// The wheel scrolls the page until the editor is used; from then on it zooms, and with Shift it moves the picture.
function turn(event) {
  const ours = event.ctrlKey || event.metaKey || zoom().times > 1 || root.contains(document.activeElement);
  if (!view || !ours) return;
  event.preventDefault();
  const lines = [1, 16, 400][event.deltaMode];
  if (event.shiftKey) {
    const {x, y, times} = zoom(), by = (event.deltaX || event.deltaY) * lines * unit;
    zoomTo({x: x + by / view.width, y, times});
  } else magnify(2 ** Math.max(-.5, Math.min(-event.deltaY * lines * (event.ctrlKey ? .01 : .002), .5)), place(event));
}
