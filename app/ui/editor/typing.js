// The keyboard is enough for everything. Keys work wherever the focus is in the editor, except where one types text.

const help = find('.editor-help');
const BIG = 10;   // pixels that an arrow moves with Shift

const PLAIN = {
  v: () => setTool('edit'), b: () => setTool('box'), p: () => setTool('points'), i: () => insert(),
  n: shift => nextObject(shift ? -1 : 1), o: () => nextUnder(), j: shift => nextJoint(shift ? -1 : 1),
  k: () => setVisibility(), l: () => askLabel(), enter: shift => shift ? leave('done') : askLabel(),
  a: shift => accept(shift), e: () => sayNothing(), c: () => copyEarlier(), h: () => bare(), t: () => toggle('truth'),
  delete: () => joint >= 0 && tool !== 'box' && one() ? removeJoint() : remove(), backspace: () => PLAIN.delete(),
  '+': () => closer(STEP), '=': () => closer(STEP), '-': () => closer(1 / STEP), 0: () => fit(),
  '.': () => leave('next'), ',': () => leave('previous'), s: () => leave('skip'), f: () => flag(),
  '?': () => showHelp(), escape: () => back(),
};
const WITH_CONTROL = {z: shift => shift ? redo() : undo(), y: () => redo(), a: () => choose(items.map(({id}) => id))};
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

function typeable() {
  root.addEventListener('keydown', event => {
    if (event.target.closest('input, textarea, select, dialog') || !view) return;
    if (event.target.closest('button, a, summary') && [' ', 'Enter'].includes(event.key)) return;   // their own
    if (event.key === ' ' && svg.contains(event.target)) { spaced = true; svg.classList.add('ready-to-pan'); }
    else if (!act(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.addEventListener('keyup', event => { if (event.key === ' ') unspaced(); });
  root.addEventListener('focusout', unspaced);
  help.addEventListener('keydown', event => { if (event.key === '?') help.close(); });
  help.addEventListener('click', event => { if (event.target === help) help.close(); });
}

function unspaced() { spaced = false; svg.classList.remove('ready-to-pan'); }

// Whether the key meant something here.
function act(event) {
  const {key, shiftKey} = event, control = event.ctrlKey || event.metaKey;
  if (ARROWS[key]) return arrow(event);
  const does = (control ? WITH_CONTROL : event.altKey ? {} : PLAIN)[key.toLowerCase()];
  if (does) does(shiftKey);
  else if (/^[1-9]$/.test(key) && !control && !event.altKey) relabel(labels[key - 1] || '');
  else return false;
  return true;
}

// Arrows move what is chosen; with Alt its right and lower edge, with Ctrl its left and upper one. Where nothing is
// chosen they move the picture.
function arrow({key, shiftKey, altKey, ctrlKey, metaKey}) {
  const [x, y] = ARROWS[key], by = shiftKey ? Math.max(BIG, Math.round(BIG * unit)) : 1, [dx, dy] = [x * by, y * by];
  const only = one(), some = picked();
  if (!some.length) {
    const seen = zoom();
    if (seen.times === 1) return false;
    zoomTo({x: seen.x + .2 * x / seen.times, y: seen.y + .2 * y / seen.times, times: seen.times});
  } else if (altKey || ctrlKey || metaKey) {
    if (!only?.box) return false;
    const box = resized(only.box, altKey ? 'se' : 'nw', dx, dy);
    edit(`${Math.round(box[2] - box[0])} by ${Math.round(box[3] - box[1])}`, altered(chosen, () => ({box})),
      {merge: `size ${only.id}`});
  } else if (only && joint >= 0) {
    const {x: px, y: py, name} = only.points[joint], to = [inside(px + dx, view.width), inside(py + dy, view.height)];
    edit(`${name} at ${to.map(Math.round).join(', ')}`, altered(chosen, each => bent(each, joint, to)),
      {merge: `joint ${only.id} ${joint}`});
  } else {
    const [mx, my] = allowed(some, dx, dy);
    edit(mx || my ? 'Moved' : 'At the edge of the picture', altered(chosen, each => shifted(each, mx, my)),
      {merge: `move ${[...chosen]}`});
  }
  return true;
}

function nextObject(by) {
  const order = byPlace(), now = order.findIndex(each => chosen.has(each.id));
  if (!order.length) return say('There are no objects');
  const next = order[now < 0 ? (by > 0 ? 0 : order.length - 1) : (now + by + order.length) % order.length];
  choose([next.id]);
  reveal(next);
}

// What lies over or under the chosen object, around its middle.
function nextUnder() {
  const only = one();
  if (!only) return nextObject(1);
  const near = new Set(items.filter(each => each === only || meets(each, only)));
  const order = byPlace().filter(each => near.has(each));
  if (order.length < 2) return say('Nothing overlaps it');
  choose([order[(order.indexOf(only) + 1) % order.length].id]);
}

function meets(a, b) {
  const [p, q] = [a, b].map(each => each.box || (each.points.length ? around(each.points) : null));
  return !!p && !!q && p[0] < q[2] && q[0] < p[2] && p[1] < q[3] && q[1] < p[3];
}

function closer(by) {
  const only = one(), {x, y, times} = zoom();
  if (only && by > 1) aim(only, times * by); else zoomTo({x, y, times: times * by});
}

function bare() {
  const off = root.classList.toggle('bare');
  showBar();
  say(off ? 'All objects are hidden' : 'All objects are shown');
}

function back() {
  if (gesture) return cancel();
  if (root.classList.contains('bare')) return bare();
  if (joint >= 0) return choose([...chosen]);
  if (chosen.size) return choose([]);
  setTool('edit');
}

function showHelp() { if (help.open) help.close(); else help.showModal(); }

function setTool(name) {
  tool = name;
  root.dataset.tool = name;
  refresh();
  say({edit: 'Edit: choose and move, or draw on an empty place', box: 'Draw boxes, over other objects too',
    points: 'Place points'}[name]);
}
