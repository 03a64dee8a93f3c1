// One training: how it stands, its curves, its log. It asks for news by itself, and only while it can be seen; what it
// shows already travels with the question, so that nothing comes back where nothing is new.

const find = selector => element.querySelector(selector);
const place = find('.live'), title = find('.live-title'), status = find('.live-status'), acts = find('.live-acts');
const bar = find('.live-bar'), note = find('.live-note'), facts = find('.live-facts'), log = find('.live-log');
const figures = [...element.querySelectorAll('figure')];
const ACTS = {stop: ['Stop', 'Stopping…'], play: ['Resume', 'Resuming…'], retry: ['Start anew', 'Starting…']};

function put(where, text = '') { if (where.textContent !== text) where.textContent = text; }
function tell(name) {
  const {id = '', seen = {}} = props.value || {};
  trigger(name, {id, seen: JSON.stringify(seen), log: log.open});
}

function show() {
  const value = props.value || {};
  place.hidden = !value.id;
  if (!value.id) return;
  put(title, value.title);
  put(status, value.status);
  status.dataset.mark = value.mark;
  bar.hidden = value.part === null;
  if (value.part !== null) bar.value = value.part;
  bar.setAttribute('aria-label', value.status);
  put(note, value.note);
  note.classList.toggle('live-bad', value.mark === 'problem');
  showActs(value.acts);
  showFacts(value.facts);
  value.charts.forEach((each, n) => {
    const [caption, svg] = figures[n].children;
    figures[n].hidden = !each.points.length && each.base === null;
    put(caption, each.title);
    if (!figures[n].hidden) chart(svg, {...each, of: value.steps});
  });
  log.hidden = !value.trusted;
  put(find('.live-log pre'), value.log.join('\n'));
}

// In place while they are the same, so that a button keeps the focus.
function showActs(wanted) {
  const key = `${props.value.id} ${wanted.join(' ')} ${props.value.refused || ''}`;
  if (acts.dataset.key === key) return;
  acts.dataset.key = key;
  acts.replaceChildren(...wanted.map(act => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.act = act;
    button.textContent = ACTS[act][0];
    button.addEventListener('click', () => {
      button.disabled = true;
      button.textContent = ACTS[act][1];
      tell(act);
    });
    return button;
  }));
}

function showFacts(told) {
  const names = told.map(([name]) => name).join('\n');
  if (facts.dataset.names !== names) {
    facts.dataset.names = names;
    facts.replaceChildren(...told.map(([name]) => {
      const pair = document.createElement('div'), head = document.createElement('dt');
      head.textContent = name;
      pair.append(head, document.createElement('dd'));
      return pair;
    }));
  }
  told.forEach(([, value], n) => put(facts.children[n].lastElementChild, value));
}

log.addEventListener('toggle', () => { if (log.open) tell('tick'); });
askWhileSeen(props.seconds, () => tell('tick'));
watch('value', show);
show();
