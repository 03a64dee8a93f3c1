// The objects in words, in reading order: the list that a screen reader goes through, and what changed since the model
// said it. Rows whose object did not change stay the nodes that they were.

const MARKS = {added: 'added', moved: 'moved', relabelled: 'relabelled'};
const objectList = find('.editor-objects'), summary = find('.editor-summary'), voice = find('.editor-voice');
const jointList = find('.editor-joints');
let anchor = null;   // where a choice with Shift began

function listed() {
  objectList.addEventListener('click', event => {
    const back = event.target.closest('[data-back]'), row = event.target.closest('[data-row]');
    if (back) return bringBack(back.dataset.back);
    if (row) pickRow(row.dataset.row, event);
  });
  objectList.addEventListener('keydown', listKeys);
  objectList.addEventListener('dblclick', event => { if (event.target.closest('[data-row]')) askLabel(); });
  jointList.addEventListener('click', event => {
    const row = event.target.closest('[data-joint]');
    if (row) point(Number(row.dataset.joint));
  });
  jointList.addEventListener('change', event => {
    joint = Number(event.target.closest('[data-joint]').dataset.joint);
    setVisibility(event.target.value);
  });
}

function pickRow(id, {shiftKey, ctrlKey, metaKey}) {
  const order = byPlace().map(each => each.id);
  if (shiftKey && order.includes(anchor)) {
    const [from, to] = [order.indexOf(anchor), order.indexOf(id)].sort((a, b) => a - b);
    choose(order.slice(from, to + 1));
  } else {
    anchor = id;
    choose([id], {add: ctrlKey || metaKey});
  }
  reveal(byId(id));
}

function listKeys(event) {
  const rows = [...objectList.querySelectorAll('[data-row]')], now = rows.indexOf(document.activeElement);
  const to = {ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1}[event.key];
  if (now < 0 || event.altKey || (event.ctrlKey && event.key !== ' ')) return;
  if (to !== undefined) {
    const next = rows[Math.max(0, Math.min(to, rows.length - 1))];
    next.focus();
    pickRow(next.dataset.row, event);
  } else if (event.key === ' ') { anchor = rows[now].dataset.row; choose([anchor], {add: true}); } else return;
  event.preventDefault();
  event.stopPropagation();
}

function showList() {
  const {became, deleted} = changes(), order = byPlace();
  const before = new Map([...objectList.children].map(each => [each.dataset.row || each.dataset.gone, each]));
  const rows = [...order.map(each => {
    const old = before.get(each.id), told = JSON.stringify([each, became.get(each.id)]);
    return old?.told === told ? old : row(each, became.get(each.id), told);
  }), ...deleted.map(each => before.get(each.id)?.dataset.gone ? before.get(each.id) : gone(each))];
  const had = objectList.contains(document.activeElement) ? document.activeElement.dataset.row : null;
  if (rows.length !== objectList.children.length || rows.some((each, n) => objectList.children[n] !== each)) {
    objectList.replaceChildren(...rows);
  }
  summary.textContent = counted(became, deleted);
  objectList.hidden = !rows.length;
  find('.editor-none').textContent = rows.length ? '' : nothing ? 'You said: nothing is here.'
    : 'No objects yet. Drag a box on the picture, or press E if nothing is here.';
  chooseRows(had);
  showJoints();
}

function chooseRows(had) {
  const rows = [...objectList.querySelectorAll('[data-row]')];
  for (const each of rows) {
    const yes = chosen.has(each.dataset.row);
    each.setAttribute('aria-selected', yes);
    each.tabIndex = -1;
  }
  const stop = [had, ...chosen].map(id => rows.find(each => each.dataset.row === id)).find(Boolean) || rows[0];
  if (stop) stop.tabIndex = 0;
  if (had && stop) stop.focus({preventScroll: true});
  rows.find(each => chosen.has(each.dataset.row))?.scrollIntoView({block: 'nearest'});
}

function row(each, became, told) {
  const made = document.createElement('li'), dot = document.createElement('i');
  made.setAttribute('role', 'option');
  made.dataset.row = each.id;
  made.told = told;
  dot.style.background = colour(each.label);
  const size = each.box ? `${Math.round(each.box[2] - each.box[0])} × ${Math.round(each.box[3] - each.box[1])}`
    : each.points.length ? `${each.points.length} points` : 'no place';
  made.append(dot, worded(each.label || 'object', 'editor-name'), worded(scored(each) || size, 'editor-size'),
    ...became.map(what => worded(MARKS[what], `editor-mark ${what}`)),
    ...(each.checked ? [] : [worded('not accepted', 'editor-mark proposed')]));
  made.setAttribute('aria-label', [described(each), ...became, ...(each.checked ? [] : ['not accepted'])].join('; '));
  return made;
}

function gone(each) {
  const made = document.createElement('li'), back = document.createElement('button');
  made.dataset.gone = each.id;
  made.className = 'gone';
  back.type = 'button';
  back.textContent = 'bring back';
  back.dataset.back = each.id;
  back.setAttribute('aria-label', `Bring back ${each.label || 'object'}`);
  made.append(worded(each.label || 'object', 'editor-name'), worded('deleted', 'editor-mark deleted'), back);
  return made;
}

function worded(text, kind) {
  const made = document.createElement('span');
  made.className = kind;
  made.textContent = text;
  return made;
}

// `3 objects · 1 moved, 1 added, 1 deleted since tiny-paligemma`
function counted(became, deleted) {
  const kinds = [...became.values()].flat(), number = what => kinds.filter(kind => kind === what).length;
  const told = [...Object.keys(MARKS).map(what => [number(what), what]), [deleted.length, 'deleted']]
    .filter(([count]) => count).map(([count, what]) => `${count} ${what}`);
  const whole = `${items.length} ${items.length === 1 ? 'object' : 'objects'}`;
  return told.length && view.beneath ? `${whole} · ${told.join(', ')} since ${view.beneath}` : whole;
}

// The points of the one chosen object, those that are absent too.
function showJoints() {
  const only = one(), points = only?.points || [];
  jointList.hidden = !points.length;
  jointList.replaceChildren(...points.map(({name, visibility}, n) => {
    const [made, pick, state] = ['li', 'button', 'select'].map(kind => document.createElement(kind));
    made.dataset.joint = n;
    made.classList.toggle('on', n === joint);
    pick.type = 'button';
    pick.textContent = name || `point ${n + 1}`;
    state.setAttribute('aria-label', `${name || `point ${n + 1}`}: can it be seen`);
    state.append(...STATES.map(each => option(each, each)));
    state.value = visibility;
    made.append(pick, state);
    return made;
  }));
}

function say(words) { voice.textContent = words === voice.textContent ? `${words}\u00a0` : words; }

function spokenChoice() {
  const some = picked();
  if (!some.length) return 'Nothing chosen';
  if (some.length > 1) return `${some.length} objects chosen`;
  if (joint >= 0) return `${some[0].points[joint].name || 'point'} of ${some[0].label}`;
  return `${described(some[0])}; ${byPlace().indexOf(some[0]) + 1} of ${items.length}`;
}
