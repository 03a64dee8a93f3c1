// A row for each model, kept in place by id, so that a button keeps the focus while its model downloads. Whatever a
// model or a file is called goes in through textContent. News are asked for only while the list can be seen.

const find = selector => element.querySelector(selector);
const list = find('.models-rows'), memory = find('.models-memory'), problems = find('.models-problems');
const rows = new Map();
let last = 0, seeing = false;

function made(tag, name, ...parts) {
  const one = document.createElement(tag);
  one.className = name;
  one.append(...parts);
  return one;
}

function row() {
  const title = made('b', 'model-title'), state = made('span', 'model-state'), badge = made('span', 'model-badge');
  const facts = made('p', 'model-facts'), bar = made('progress', 'model-bar'), note = made('p', 'model-note');
  const acts = made('div', 'model-acts');
  state.setAttribute('role', 'status');
  bar.max = 1;
  const about = made('div', 'model-about', made('p', 'model-head', title, state, badge), facts, bar, note);
  return {root: made('li', 'model-row', about, acts), title, state, badge, facts, bar, note, acts};
}

function fill({root, title, state, badge, facts, bar, note, acts}, told) {
  root.dataset.id = told.id;
  put(title, told.title);
  put(state, told.state);
  state.dataset.kind = told.kind;
  badge.hidden = !told.badge;
  put(badge, told.badge ? told.badge.text : '');
  badge.dataset.kind = told.badge ? told.badge.kind : '';
  badge.title = told.badge ? told.badge.detail : '';
  putLinked(facts, told.about);
  bar.hidden = told.done < 0;
  if (told.done >= 0) bar.value = told.done;
  bar.setAttribute('aria-label', `${told.title}: downloaded`);
  putLinked(note, told.note);
  note.classList.toggle('model-bad', told.problem);
  const wanted = JSON.stringify(told.actions);
  if (acts.dataset.acts === wanted) return;
  const focused = acts.contains(document.activeElement);
  acts.dataset.acts = wanted;
  acts.replaceChildren(...told.actions.map(each => button(told, each)));
  if (focused) acts.querySelector('button')?.focus();
}

// What cannot be undone asks once more, in the same place.
function button({id, title}, {act, label, sure}) {
  const one = made('button', 'model-act');
  const say = (words, again) => {
    one.textContent = words;
    one.setAttribute('aria-label', `${words}: ${title}`);
    one.classList.toggle('model-sure', again);
  };
  one.type = 'button';
  one.dataset.act = act;
  say(label, false);
  one.addEventListener('click', () => {
    if (sure && !one.classList.contains('model-sure')) return say(sure, true);
    one.disabled = true;
    trigger('act', {id, act});
  });
  one.addEventListener('blur', () => { if (!one.disabled) say(label, false); });
  return one;
}

function show() {
  const value = props.value || {}, told = value.rows || [], ids = new Set(told.map(each => each.id));
  for (const [id, {root}] of rows) if (!ids.has(id)) { root.remove(); rows.delete(id); }
  told.forEach((each, n) => {
    if (!rows.has(each.id)) rows.set(each.id, row());
    const parts = rows.get(each.id);
    for (const pressed of parts.acts.querySelectorAll(':disabled')) pressed.disabled = false;
    fill(parts, each);
    if (list.children[n] !== parts.root) list.insertBefore(parts.root, list.children[n] || null);
  });
  put(memory, value.memory);
  problems.replaceChildren(...(value.problems || []).map(each => made('li', 'model-bad', each)));
}

function put(place, text = '') { if (place.textContent !== text) place.textContent = text; }
function putLinked(place, text) { if (place.textContent !== text) place.replaceChildren(...linked(text)); }

setInterval(() => {
  const sees = !document.hidden && element.isConnected && element.offsetParent !== null;
  if (sees && (!seeing || Date.now() - last > props.seconds * 1000)) {
    last = Date.now();
    trigger('tick', {seen: (props.value || {}).version || ''});
  }
  seeing = sees;
}, 200);
watch('value', show);
show();
