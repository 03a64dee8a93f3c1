// The row of pictures: what is shown, chosen, typed and removed. tray.js says how these files belong together.
// Names and captions go in through textContent and value, so they can hold anything and stay text.

const find = selector => element.querySelector(selector);
const tray = find('.tray'), list = find('.tray-cards'), files = find('.tray-files'), folder = find('.tray-folder');
const progress = find('.tray-progress'), removed = find('.tray-removed'), problems = find('.tray-problems');
const TYPED = 'boxloop-typed';
const SEND_AT_ONCE = 4, TYPING_RESTS = 500, ARROWS_REST = 120;  // requests; milliseconds
const USABLE = /\.(png|jpe?g|jfif|mpo|webp|gif|bmp|tiff?|hei[cf]|avif|jp2|j2k|p[bgnp]m|ico|tga|zip|csv|tsv|jsonl?)$/i;
const JUNK = /(^|\/)(__MACOSX\/|\.|Thumbs\.db$|desktop\.ini$)/i;

const cards = new Map();  // key → the card's elements
const typed = remembered();  // key → a caption typed here: it outlives a reload, and updates from Python
let refused = [];         // sentences about files that were not sent
let replacing = false, looked = null;  // looked: the key that Python last selected

const items = () => (props.value && props.value.items) || [];
const change = news => { props.value = {...props.value, ...news}; };

function show() {
  const value = props.value || {}, rows = items(), keys = new Set(rows.map(row => row.key));
  for (const [key, card] of cards) {
    if (keys.has(key)) continue;
    card.root.remove();
    cards.delete(key);
    if (typed.delete(key)) rememberTyped();
  }
  rows.forEach((row, index) => {
    if (!cards.has(row.key)) cards.set(row.key, card(row.key));
    const parts = cards.get(row.key);
    fill(parts, row, index === value.selected);
    if (list.children[index] !== parts.root) list.insertBefore(parts.root, list.children[index] || null);
  });
  tray.className = `tray tray-${rows.length === 0 ? 'empty' : rows.length === 1 ? 'one' : 'many'}`;
  find('.tray-count').textContent = counted(rows);
  removed.firstElementChild.textContent = value.removed || '';
  removed.hidden = !value.removed;
  sayProgress();
  sayProblems();
}

// A view from Python. What the person typed wins over one that was on its way then, and Python is told again: that view
// came with a memory of the desk that knew no better. (A picture with another question is another sample: another key.)
function hear() {
  const behind = items().findIndex(row => typed.has(row.key) && typed.get(row.key) !== row.caption);
  if (behind >= 0) {
    change({items: items().map(row => typed.has(row.key) ? {...row, caption: typed.get(row.key)} : row)});
    const {key, caption} = items()[behind];
    tellSoon(untold || {index: behind, key, text: caption});
  }
  show();
  const now = items()[props.value.selected];
  if (now && now.key !== looked) reveal(cards.get(now.key).root);
  looked = now && now.key;
}

function counted(rows) {
  const own = rows.filter(row => row.caption).length;
  return rows.length < 2 ? '' : `${rows.length} pictures${own ? `, ${own} with their own question` : ''}`;
}

function card(key) {
  const make = (tag, name, role) => {
    const made = document.createElement(tag);
    made.className = name;
    if (role) made.setAttribute('role', role);
    return made;
  };
  const root = make('div', 'tray-card', 'row'), first = make('div', 'tray-head', 'gridcell');
  const pick = make('button', 'tray-pick'), thumb = make('img', 'tray-thumb'), words = make('span', 'tray-words');
  const name = make('b', 'tray-name'), note = make('span', 'tray-note'), status = make('span', 'tray-status', 'gridcell');
  const second = make('div', 'tray-asks', 'gridcell'), caption = make('input', 'tray-caption');
  const third = make('div', 'tray-change-cell', 'gridcell'), swap = make('button', 'tray-change');
  const last = make('div', 'tray-remove-cell', 'gridcell'), remove = make('button', 'tray-remove');
  const problem = make('p', 'tray-problem', 'gridcell');
  pick.type = remove.type = swap.type = 'button';
  thumb.alt = '';
  thumb.loading = 'lazy';  // of five hundred, only those in sight are fetched
  caption.type = 'text';
  caption.maxLength = props.longest_caption;
  swap.textContent = 'Change';
  remove.textContent = '×';
  words.append(name, note);
  pick.append(thumb, words);
  first.append(pick);
  second.append(caption);
  third.append(swap);
  last.append(remove);
  root.append(first, last, third, second, status, problem);
  root.dataset.key = key;
  return {root, pick, thumb, name, note, status, caption, remove, problem};
}

function fill({root, pick, thumb, name, note, status, caption, remove, problem}, row, selected) {
  const cut = row.name.lastIndexOf('/') + 1, base = row.name.slice(cut), where = row.name.slice(0, Math.max(0, cut - 1));
  put(name, base);
  put(note, [row.note, where].filter(Boolean).join(' · '));
  put(status, row.status);
  put(problem, row.problem);
  name.title = row.name;
  problem.title = row.problem;
  root.setAttribute('aria-selected', selected);
  pick.tabIndex = selected ? 0 : -1;
  pick.setAttribute('aria-label', `${row.name}${row.note ? `, ${row.note}` : ''}`);
  remove.setAttribute('aria-label', `Remove ${row.name}`);
  remove.title = 'Remove';
  caption.setAttribute('aria-label', `Question of ${row.name}`);
  caption.placeholder = props.value.question || 'its own question';
  if (caption.value !== row.caption) caption.value = row.caption;
  const url = row.thumb ? row.thumb.url : '';
  thumb.hidden = !url;
  if (url && thumb.getAttribute('src') !== url) thumb.src = url;
  root.classList.toggle('tray-own', Boolean(row.caption));
  root.classList.toggle('tray-bad', Boolean(row.problem));
}

function put(place, text) { if (place.textContent !== text) place.textContent = text; }

function sayProblems() {
  problems.replaceChildren(...[...refused, ...((props.value && props.value.problems) || [])].map(text => {
    const line = document.createElement('li');
    line.textContent = text;
    return line;
  }));
}

// Choosing, typing, removing. Each changes the page at once and tells Python.

const indexOf = place => items().findIndex(row => cards.get(row.key)?.root === place.closest('.tray-card'));

// Sideways only: scrollIntoView would move the page too.
function reveal(root) {
  const left = root.offsetLeft - list.offsetLeft, right = left + root.offsetWidth, edge = 8;
  if (left - edge < list.scrollLeft) list.scrollLeft = left - edge;
  else if (right + edge > list.scrollLeft + list.clientWidth) list.scrollLeft = right + edge - list.clientWidth;
}

let resting;
function select(index, pause = 0) {
  const row = items()[index];
  if (!row) return;
  reveal(cards.get(row.key).root);
  if (props.value.selected === index) return;
  change({selected: index});
  show();
  clearTimeout(resting);
  resting = setTimeout(() => trigger('select', {index, key: row.key}), pause);
}

function remove(index) {
  const row = items()[index];
  if (!row) return;
  const rest = items().filter(other => other !== row), {selected} = props.value;
  const next = Math.max(0, Math.min(selected > index ? selected - 1 : selected, rest.length - 1));
  tellTyped();
  change({items: rest, selected: next, removed: `${row.name} was removed`});
  show();
  (rest.length ? cards.get(rest[next].key).pick : files).focus();
  trigger('delete', {index, key: row.key});
}

let typing, untold = null;
function type(index, text) {
  const row = items()[index];
  if (!row || row.caption === text) return;
  if (untold && untold.key !== row.key) tellTyped();
  typed.set(row.key, text);
  rememberTyped();
  change({items: items().map(other => other.key === row.key ? {...other, caption: text} : other)});
  cards.get(row.key).root.classList.toggle('tray-own', Boolean(text));
  find('.tray-count').textContent = counted(items());
  tellSoon({index, key: row.key, text});
}

function tellSoon(what) {
  untold = what;
  clearTimeout(typing);
  typing = setTimeout(tellTyped, TYPING_RESTS);
}

function remembered() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(TYPED)) || []);
  } catch (broken) { return new Map(); }  // a browser that keeps nothing only forgets them at a reload
}

function rememberTyped() {
  try {
    sessionStorage.setItem(TYPED, JSON.stringify([...typed]));
  } catch (full) { console.warn(`captions are not kept over a reload: ${full.message}`); }
}

function tellTyped() {
  clearTimeout(typing);
  if (untold) trigger('input', untold);
  untold = null;
}

list.addEventListener('click', event => {
  const index = indexOf(event.target);
  if (event.target.closest('.tray-remove')) remove(index);
  else if (event.target.closest('.tray-change')) { replacing = true; files.click(); }
  else if (!event.target.closest('.tray-caption')) select(index);
});
list.addEventListener('focusin', event => { if (event.target.matches('.tray-caption')) select(indexOf(event.target)); });
list.addEventListener('input', event => type(indexOf(event.target), event.target.value));
list.addEventListener('change', tellTyped);
list.addEventListener('keydown', event => {
  const index = indexOf(event.target), last = items().length - 1;
  if (event.target.matches('.tray-caption')) {
    if (event.key === 'Enter') {
      event.preventDefault();
      tellTyped();
      const next = items()[index + 1];
      if (next) cards.get(next.key).caption.focus();
    }
    return;
  }
  const to = {ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, Home: 0, End: last};
  if (event.key in to) {
    event.preventDefault();
    const there = Math.max(0, Math.min(to[event.key], last));
    select(there, ARROWS_REST);
    cards.get(items()[there].key).pick.focus();
  } else if (event.key === 'Delete' || event.key === 'Backspace') {
    event.preventDefault();
    remove(index);
  }
});
element.addEventListener('keydown', event => {
  const undoing = event.key === 'z' && (event.ctrlKey || event.metaKey) && !event.shiftKey;
  if (undoing && !event.target.matches('.tray-caption') && !removed.hidden) { event.preventDefault(); undo(); }
});
function undo() { change({removed: ''}); removed.hidden = true; trigger('undo'); }
find('.tray-undo').addEventListener('click', undo);
find('.tray-clear').addEventListener('click', () => {
  change({items: [], selected: 0, removed: `${items().length} pictures were removed`});
  show();
  trigger('clear');
});
