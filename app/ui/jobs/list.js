// A card per job, in place by id, so that a button keeps the focus while its job goes on. News are asked for only while
// the list can be seen.

const find = selector => element.querySelector(selector);
const list = find('.jobs-cards'), empty = find('.jobs-empty'), said = find('.jobs-said');
const ACTS = {stop: ['Cancel', 'Cancelling…'], play: ['Resume', 'Resuming…'], retry: ['Start anew', 'Starting…']};
const cards = new Map();
const running = new Set();  // those that were seen before they had ended
let open = '', version = '', heard = false;

function card(id) {
  const root = document.createElement('li'), head = document.createElement('button');
  const title = document.createElement('b'), status = document.createElement('span');
  const bar = document.createElement('progress'), note = document.createElement('p');
  const acts = document.createElement('div'), log = document.createElement('pre');
  root.className = 'jobs-card';
  head.className = 'jobs-head';
  status.className = 'jobs-status mark';
  note.className = 'jobs-note';
  acts.className = 'jobs-acts';
  log.className = 'jobs-log';
  log.tabIndex = 0;
  log.setAttribute('aria-label', 'The last lines of what it printed');
  head.type = 'button';
  head.append(title, status);
  head.addEventListener('click', () => {
    open = open === id ? '' : id;
    show();
    tell('select', id);
  });
  root.append(head, bar, note, acts, log);
  root.dataset.id = id;
  return {root, head, title, status, bar, note, acts, log};
}

function fill(parts, told) {
  const {root, head, title, status, bar, note, acts, log} = parts;
  put(title, told.title);
  put(status, told.status);
  status.dataset.mark = told.mark;
  bar.hidden = told.part === null;
  if (told.part !== null) bar.value = told.part;
  bar.setAttribute('aria-label', told.status);
  put(note, told.note);
  note.classList.toggle('jobs-bad', told.mark === 'problem');
  const wanted = told.acts.join(' ');
  if (acts.dataset.acts !== wanted) {
    acts.dataset.acts = wanted;
    acts.replaceChildren(...told.acts.map(act => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'quiet';
      button.textContent = ACTS[act][0];
      button.dataset.act = act;
      button.addEventListener('click', () => {
        button.disabled = true;
        button.textContent = ACTS[act][1];
        tell(act, root.dataset.id);
      });
      return button;
    }));
  }
  head.setAttribute('aria-expanded', open === root.dataset.id);
  log.hidden = open !== root.dataset.id || !told.log.length;
  put(log, told.log.join('\n'));
}

function show() {
  const value = props.value || {}, told = value.cards || [];
  const ids = new Set(told.map(one => one.id));
  for (const [id, parts] of cards) if (!ids.has(id)) { parts.root.remove(); cards.delete(id); }
  told.forEach((one, index) => {
    if (!cards.has(one.id)) cards.set(one.id, card(one.id));
    const parts = cards.get(one.id);
    fill(parts, one);
    if (list.children[index] !== parts.root) list.insertBefore(parts.root, list.children[index] || null);
  });
  put(empty, heard && !told.length ? props.empty : '');
  const sentence = value.said && value.said.text || '';
  put(said, sentence);
  said.hidden = !sentence;
}

// After a refusal the buttons that were pressed can be pressed again.
function hear() {
  heard = true;
  if (props.value.open && version !== props.value.version) ({open} = props.value);
  ({version} = props.value);
  for (const {id, mark} of props.value.cards || []) {
    if (mark === 'idle' || mark === 'busy') running.add(id);
    else if (running.delete(id)) { open = id; trigger('end', {ended: id, open: id, seen: ''}); }
  }
  if (props.value.said && props.value.said.text) for (const {acts} of cards.values()) acts.dataset.acts = 'again';
  show();
}

function put(place, text = '') { if (place.textContent !== text) place.textContent = text; }
function tell(name, id = '') { trigger(name, {id, open, seen: (props.value || {}).version || ''}); }

askWhileSeen(props.seconds, () => tell('tick'));
watch('value', hear);
show();
