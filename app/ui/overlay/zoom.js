// Zoom and pan, with a wheel, a track pad, fingers, a mouse or keys. What is seen belongs to the room (room.js), so all
// of its panels move together.
//
// The wheel scrolls the page over a whole picture and zooms an enlarged one; with Ctrl or ⌘, and so with a pinch on a
// track pad, it always zooms. One finger scrolls the page over a whole picture and moves an enlarged one; two fingers
// zoom. A double click enlarges, or shows the whole picture again.

const DOUBLE = 3, STILL = 4;   // how much a double click enlarges; screen pixels that a pointer may tremble in a click
const pointers = new Map();    // the newest event of each that is down
let begun = null;              // the event with which the first came down, until it has moved

function zoomable() {
  svg.addEventListener('wheel', wheel, {passive: false});
  svg.addEventListener('pointerdown', down);
  svg.addEventListener('pointermove', move);
  for (const end of ['pointerup', 'pointercancel']) svg.addEventListener(end, up);
  svg.addEventListener('dblclick', event => zoom().times > 1 ? fit() : magnify(DOUBLE, place(event)));
  svg.addEventListener('keydown', keys);
}

function wheel(event) {
  if (!event.ctrlKey && !event.metaKey && zoom().times === 1) return;
  event.preventDefault();
  const lines = [.002, .05, 1][event.deltaMode] * (event.ctrlKey ? 5 : 1);   // a pinch comes in small steps
  magnify(2 ** Math.max(-.5, Math.min(-event.deltaY * lines, .5)), place(event));
}

function down(event) {
  if (event.button > 0) return;
  begun = pointers.size ? null : event;
  pointers.set(event.pointerId, event);
  if (zoom().times > 1) svg.setPointerCapture(event.pointerId);   // a quick drag has left the picture before it begins
}

function move(event) {
  if (event.pointerType === 'mouse' && !event.buttons) return up(event);   // it was released outside
  if (!pointers.has(event.pointerId)) return;
  if (begun && Math.hypot(event.clientX - begun.clientX, event.clientY - begun.clientY) < STILL) return;
  begun = null;
  const before = grip();
  pointers.set(event.pointerId, event);
  const now = grip();
  if (zoom().times === 1 && pointers.size === 1) return;
  svg.classList.add('dragging');
  magnify(now.spread / before.spread, place(before), place(now));
}

function up(event) {
  pointers.delete(event.pointerId);
  if (!pointers.size) svg.classList.remove('dragging');
}

// The middle of the pointers that are down, and how far they are apart.
function grip() {
  const [a, b = a] = pointers.values();
  return {clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2,
    spread: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1};
}

// Screen pixels from the middle of the picture's place on the page.
function place({clientX, clientY}) {
  const {left, top, width, height} = svg.getBoundingClientRect();
  return {x: clientX - left - width / 2, y: clientY - top - height / 2};
}

// What was under one place on the screen comes to lie, enlarged, under another (or the same).
function magnify(by, from, to = from) {
  const {x, y, times} = zoom(), next = Math.max(1, Math.min(times * by, CLOSEST));
  const moved = (middle, a, b, side) => middle + whole / side * (a / times - b / next);
  zoomTo({x: moved(x, from.x, to.x, view.width), y: moved(y, from.y, to.y, view.height), times: next});
}

// An object that the keyboard reached is brought into sight, and enlarging keeps it there.
function reveal(annotation) {
  if (!annotation || zoom().times === 1) return;
  frame();   // keys come faster than frames of the screen
  const [x, y] = middle(annotation), [left, top, right, bottom] = sight, edge = (right - left) / 20;
  if (x < left + edge || x > right - edge || y < top + edge || y > bottom - edge) aim(annotation, zoom().times);
}

function aim(annotation, times) {
  const [x, y] = middle(annotation);
  zoomTo({x: x / view.width, y: y / view.height, times});
}

function middle(annotation) {
  const [x1, y1, x2, y2] = annotation.box || around(annotation.points);
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

function keys(event) {
  if (unmeant(event)) return;
  const {x, y, times} = zoom(), object = drawn.get(objectOf(event)?.dataset.id), by = .2 / times;
  const enlarge = next => object ? aim(object, next) : zoomTo({x, y, times: next});
  const pan = (dx, dy) => zoomTo({x: x + dx, y: y + dy, times});
  const does = {'+': () => enlarge(times * STEP), '=': () => enlarge(times * STEP), '-': () => enlarge(times / STEP),
    '0': fit, l: () => toggle('labels'), b: () => toggle('boxes'), p: () => toggle('points'), t: () => toggle('truth')};
  const arrows = {ArrowLeft: () => pan(-by, 0), ArrowRight: () => pan(by, 0), ArrowUp: () => pan(0, -by),
    ArrowDown: () => pan(0, by)};
  const act = does[event.key.toLowerCase()] || (!object && times > 1 && arrows[event.key]);
  if (!act) return;
  event.preventDefault();
  act();
}

// Ctrl with + and the like belong to the browser.
function unmeant(event) { return event.ctrlKey || event.metaKey || event.altKey; }
