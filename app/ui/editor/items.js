// What is being edited: the objects, which of them are chosen, and every step back to the beginning. An object is never
// changed in place: an edit puts a new one into `items`, so a step of undo is a list of references, however many there
// are. Objects have ids that stay, which is how anybody can tell a moved box from a deleted and an added one.
//
// Joined behind the overlay's scripts, whose `view`, `draw` and `unit` it uses.

const MERGED = 800;           // milliseconds in which a held arrow key is one step of undo
let items = [], base = [];    // now; and as the model said it, or as it was before anybody looked
let chosen = new Set();       // ids
let joint = -1;               // the chosen point of the one chosen object, or none
let nothing = false;          // a person has said that nothing is there
let past = [], future = [], newest = {merge: '', time: 0};

// One edit: `next` are the objects after it, `said` is what a screen reader hears of it.
function edit(said, next, {merge = '', choose, empty = false} = {}) {
  const now = Date.now(), same = merge && merge === newest.merge && now - newest.time < MERGED;
  if (!same) past.push(step());
  newest = {merge, time: now};
  future = [];
  items = next;
  nothing = empty;
  if (choose) chosen = new Set(choose);
  settle(said);
  changed();
}

function step() { return {items, nothing, chosen: [...chosen], joint}; }

function undo() { jump(past, future, 'Undone'); }

function redo() { jump(future, past, 'Done again'); }

function jump(from, to, said) {
  if (!from.length) return say(from === past ? 'There is nothing to undo' : 'There is nothing to do again');
  to.push(step());
  const was = from.pop();
  ({items, nothing, joint} = was);
  chosen = new Set(was.chosen);
  newest = {merge: '', time: 0};
  settle(said);
  changed();
}

// After whatever happened to objects: the choice is among them, and all that shows them shows them as they are.
function settle(said = '') {
  const there = new Set(items.map(each => each.id));
  chosen = new Set([...chosen].filter(id => there.has(id)));
  if (joint >= (one()?.points.length ?? 0)) joint = -1;
  view.annotations = items;
  draw();
  refresh();
  if (said) say(said);
}

function choose(ids, {add = false, point = -1} = {}) {
  const before = [...chosen].join();
  if (!add) chosen = new Set(ids);
  else for (const id of ids) if (!chosen.delete(id)) chosen.add(id);
  if (before === [...chosen].join() && joint === point) return;
  joint = point;
  refresh();
  say(spokenChoice());
}

function byId(id) { return items.find(each => each.id === id); }

function picked() { return items.filter(each => chosen.has(each.id)); }

// The one object that is chosen; none where there are several.
function one() { return chosen.size === 1 ? byId([...chosen][0]) : undefined; }

// The objects with some of them changed. Whatever a person changed, a person has checked.
function altered(ids, change) {
  return items.map(each => ids.has(each.id) ? {...each, checked: true, ...change(each)} : each);
}

function remove() {
  const gone = picked();
  if (!gone.length) return say('Nothing is chosen');
  const order = byPlace(), first = order.findIndex(each => chosen.has(each.id));
  const next = order.find((each, n) => n > first && !chosen.has(each.id));
  edit(gone.length === 1 ? `${gone[0].label || 'object'} deleted` : `${gone.length} objects deleted`,
    items.filter(each => !chosen.has(each.id)), {choose: next && gone.length === 1 ? [next.id] : []});
}

function accept(all) {
  const ids = all ? new Set(items.map(each => each.id)) : chosen;
  const left = items.filter(each => ids.has(each.id) && !each.checked);
  if (!left.length) return say(all ? 'All are accepted' : 'Nothing is chosen that is not accepted');
  edit(`${left.length} accepted`, altered(ids, () => ({})));
}

function sayNothing() { edit('Nothing is here', [], {choose: [], empty: true}); }

// The objects of the picture before this one, with ids of their own: video frames and shelves change little.
function copyEarlier() {
  const earlier = view.earlier || [];
  if (!earlier.length) return say('There is no picture before this one with objects on it');
  const copies = earlier.map(each => within({...each, id: fresh(), checked: false, score: null}));
  edit(`${copies.length} copied from the picture before`, [...items, ...copies], {choose: copies.map(each => each.id)});
}

// Not crypto.randomUUID, which a page has only with HTTPS.
function fresh() {
  return 'p' + [...crypto.getRandomValues(new Uint8Array(9))].map(byte => byte.toString(36).padStart(2, '0')).join('');
}

function round(value) { return Math.round(value * 10) / 10; }

function inside(value, side) { return Math.max(0, Math.min(round(value), side)); }

// An object moved, as far as all of it stays in the picture.
function shifted(each, dx, dy) {
  return {box: each.box && [each.box[0] + dx, each.box[1] + dy, each.box[2] + dx, each.box[3] + dy].map(round),
    points: each.points.map(point => ({...point, x: round(point.x + dx), y: round(point.y + dy)}))};
}

// How far some objects can go before one of them leaves the picture.
function allowed(some, dx, dy) {
  const xs = some.flatMap(each => [...(each.box ? [each.box[0], each.box[2]] : []), ...each.points.map(p => p.x)]);
  const ys = some.flatMap(each => [...(each.box ? [each.box[1], each.box[3]] : []), ...each.points.map(p => p.y)]);
  const held = (by, values, side) => values.length
    ? Math.max(-Math.min(...values), Math.min(by, side - Math.max(...values))) : by;
  return [held(dx, xs, view.width), held(dy, ys, view.height)];
}

// A box with its corners in order and inside the picture, at least a pixel wide and high.
function tidy([a, b, c, d]) {
  const side = (p, q, whole) => {
    const [low, high] = [Math.min(p, q), Math.max(p, q)].map(value => inside(value, whole));
    return high - low >= 1 ? [low, high] : low + 1 <= whole ? [low, low + 1] : [Math.max(0, whole - 1), whole];
  };
  const [x1, x2] = side(a, c, view.width), [y1, y2] = side(b, d, view.height);
  return [x1, y1, x2, y2];
}

function within(each) {
  return {...each, box: each.box && tidy(each.box), points: each.points.map(point => ({...point,
    x: inside(point.x, view.width), y: inside(point.y, view.height)}))};
}

// What became of each object since the model said it, by id. Equal to a thousandth of a pixel is equal.
function changes() {
  const before = new Map(base.map(each => [each.id, each])), became = new Map();
  for (const each of items) {
    const was = before.get(each.id);
    const moved = was && JSON.stringify([was.box, was.points]) !== JSON.stringify([each.box, each.points]);
    const renamed = was && was.label !== each.label;
    became.set(each.id, was ? [...(moved ? ['moved'] : []), ...(renamed ? ['relabelled'] : [])] : ['added']);
  }
  const deleted = base.filter(each => !became.has(each.id));
  return {became, deleted};
}

function bringBack(id) {
  const lost = base.find(each => each.id === id);
  if (lost) edit(`${lost.label} is back`, [...items, {...lost, checked: true}], {choose: [id]});
}

// Reading order: from the top to the bottom, from the left to the right.
function byPlace() {
  const corner = each => each.box || (each.points.length ? around(each.points) : [0, 0]);
  return items.map(each => [corner(each), each]).sort(([a], [b]) => a[1] - b[1] || a[0] - b[0]).map(([, each]) => each);
}
