// The label of what is chosen, or of what is drawn next: number keys for the first nine, a list to search for more, and
// any other text by typing it. What was used last stays.

const LONGEST = 300, LISTED = 60;   // characters of a label; entries of the list, the rest is found by typing
const box = find('.editor-label'), list = find('.editor-labels'), chips = find('.editor-chips');
let labels = [], last = '', lastPointed = '', entered = -1;

function coming() { return last || labels[0] || 'object'; }

function learnLabels(told) {
  labels = [...new Set([...(told || []), ...items.map(each => each.label)])].filter(Boolean);
}

function relabel(label) {
  const said = label.trim().slice(0, LONGEST);
  if (!said) return;
  if (!labels.includes(said)) labels = [...labels, said];
  const some = picked();
  if (some.some(each => each.points.length)) lastPointed = said; else last = said;
  if (some.some(each => each.label !== said)) {
    const words = some.length === 1 ? `Labelled ${said}` : `${some.length} labelled ${said}`;
    edit(words, altered(chosen, () => ({label: said})));
  } else refresh();
}

function showLabels() {
  const some = picked(), now = some.length ? some[0].label : coming();
  if (document.activeElement !== box) box.value = some.every(each => each.label === now) ? now : '';
  box.placeholder = some.length ? `label of ${some.length}` : 'label of the next';
  const wanted = JSON.stringify([labels.slice(0, 9), box.value]);
  if (chips.told === wanted) return;
  chips.told = wanted;
  chips.replaceChildren(...labels.slice(0, 9).map((label, n) => {
    const [chip, key, word] = ['button', 'kbd', 'span'].map(kind => document.createElement(kind));
    chip.type = 'button';
    chip.dataset.label = label;
    chip.style.setProperty('--paint', colour(label));
    chip.setAttribute('aria-pressed', label === box.value);
    key.textContent = n + 1;
    word.textContent = label;
    chip.title = `${label} (key ${n + 1})`;
    chip.append(key, word);
    return chip;
  }));
}

function askLabel() {
  box.focus();
  box.select();
  openList('');
}

function openList(typed) {
  const wanted = spelled({label: typed.trim()}), found = labels.filter(label => spelled({label}).includes(wanted));
  const begins = label => spelled({label}).startsWith(wanted) ? 0 : 1;
  const shown = found.sort((a, b) => begins(a) - begins(b)).slice(0, LISTED);
  entered = wanted && shown.length ? 0 : -1;
  list.replaceChildren(...shown.map((label, n) => entry(label, n)),
    ...(found.length > LISTED ? [note(`and ${found.length - LISTED} more: type to find one`)] : []),
    ...(wanted && !labels.some(label => spelled({label}) === wanted) ? [entry(typed.trim(), shown.length, true)] : []));
  list.hidden = !list.children.length;
  box.setAttribute('aria-expanded', !list.hidden);
  lightUp();
}

function entry(label, n, fresh) {
  const made = document.createElement('li'), dot = document.createElement('i'), word = document.createElement('span');
  made.id = `${list.id}-${n}`;
  made.setAttribute('role', 'option');
  made.dataset.label = label;
  dot.style.background = colour(label);
  word.textContent = fresh ? `new label: ${label}` : label;
  made.append(dot, word);
  return made;
}

function note(text) {
  const made = document.createElement('li');
  made.className = 'editor-note';
  made.setAttribute('role', 'presentation');
  made.textContent = text;
  return made;
}

function lightUp() {
  const entries = [...list.querySelectorAll('[role=option]')];
  entries.forEach((each, n) => each.setAttribute('aria-selected', n === entered));
  entries[entered]?.scrollIntoView({block: 'nearest'});
  if (entries[entered]) box.setAttribute('aria-activedescendant', entries[entered].id);
  else box.removeAttribute('aria-activedescendant');
}

function closeList() {
  list.hidden = true;
  box.setAttribute('aria-expanded', false);
  box.removeAttribute('aria-activedescendant');
}

function labelKeys(event) {
  const entries = [...list.querySelectorAll('[role=option]')], by = {ArrowDown: 1, ArrowUp: -1}[event.key];
  event.stopPropagation();
  if (by) {
    if (list.hidden) openList('');
    else { entered = (entered + by + entries.length) % entries.length; lightUp(); }
  } else if (event.key === 'Enter') takeLabel(list.hidden ? box.value : entries[entered]?.dataset.label ?? box.value);
  else if (event.key === 'Escape') { closeList(); showLabels(); svg.focus({preventScroll: true}); showLabels(); }
  else return;
  event.preventDefault();
}

function takeLabel(label) {
  closeList();
  svg.focus({preventScroll: true});
  relabel(label);
}

function labelled() {
  list.id = `labels-${fresh()}`;
  box.setAttribute('aria-controls', list.id);
  box.addEventListener('focus', () => { box.select(); openList(''); });
  box.addEventListener('input', () => openList(box.value));
  box.addEventListener('keydown', labelKeys);
  box.addEventListener('blur', () => { closeList(); showLabels(); });
  list.addEventListener('pointerdown', event => {
    const label = event.target.closest('[data-label]')?.dataset.label;
    event.preventDefault();   // the box keeps the focus, so that a scroll of the list does not close it
    if (label !== undefined) list.pressed = label;
  });
  list.addEventListener('click', () => {
    if (list.pressed !== undefined) takeLabel(list.pressed);
    list.pressed = undefined;
  });
  chips.addEventListener('click', event => {
    const label = event.target.closest('[data-label]')?.dataset.label;
    if (label !== undefined) takeLabel(label);
  });
}
