// All trainings: a click shows one, ticks put the receipts of several side by side. Names go in through textContent.

const find = selector => element.querySelector(selector);
const place = find('.runs'), list = find('.runs-list'), beside = find('.runs-beside');
const rows = new Map();
// By the person, since the page came: an older answer on its way does not take a tick back, and is asked after once.
let ticked = null, asked = 0;

function made(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function put(where, text = '') { if (where.textContent !== text) where.textContent = text; }

function row(id) {
  const root = made('li', 'runs-row'), tick = made('input'), pick = made('button', 'runs-pick');
  const [title, status, verdict] = [made('b'), made('span', 'runs-status'), made('span', 'runs-verdict')];
  tick.type = 'checkbox';
  tick.addEventListener('change', () => {
    ticked = [...list.children].filter(each => each.firstElementChild.checked).map(each => each.dataset.id);
    asked = 1;
    trigger('input', {ticked});
  });
  pick.type = 'button';
  pick.addEventListener('click', () => trigger('select', {id}));
  pick.append(title, status, verdict);
  root.append(tick, pick);
  root.dataset.id = id;
  return {root, tick, pick, title, status, verdict};
}

function fill({tick, pick, title, status, verdict}, told, value) {
  put(title, told.title);
  put(status, told.status);
  status.dataset.mark = told.mark;
  put(verdict, told.verdict);
  verdict.dataset.kind = told.kind;
  tick.disabled = !told.done;
  tick.checked = (ticked || value.ticked).includes(told.id);
  tick.setAttribute('aria-label', `Put ${told.title}, ${told.status} beside others`);
  tick.title = told.done ? 'Beside others' : 'It has no receipt yet';
  pick.setAttribute('aria-current', String(told.id === value.selected));
}

function show() {
  const value = {runs: [], selected: '', ticked: [], beside: null, ...props.value};
  place.hidden = !value.runs.length;
  const ids = new Set(value.runs.map(one => one.id));
  for (const [id, {root}] of rows) if (!ids.has(id)) { root.remove(); rows.delete(id); }
  value.runs.forEach((told, index) => {
    if (!rows.has(told.id)) rows.set(told.id, row(told.id));
    const parts = rows.get(told.id);
    fill(parts, told, value);
    if (list.children[index] !== parts.root) list.insertBefore(parts.root, list.children[index] || null);
  });
  showBeside(value.beside);
  if (asked === 1 && ticked.join() !== value.ticked.join()) {
    asked = 2;
    trigger('input', {ticked});
  }
}

function showBeside(told) {
  beside.hidden = !told;
  if (!told) { beside.replaceChildren(); return; }
  const grid = made('table'), head = made('tr'), body = made('tbody'), top = made('thead');
  head.append(made('td'), ...told.columns.map(({title, note}) => {
    const cell = made('th', '', title);
    cell.scope = 'col';
    cell.append(made('small', '', note));
    return cell;
  }));
  top.append(head);
  body.append(...told.rows.map(({title, cells}) => {
    const line = made('tr'), name = made('th', '', title);
    name.scope = 'row';
    line.append(name, ...cells.map(({said, note, kind}) => {
      const cell = made('td', '', said);
      cell.dataset.kind = kind;
      if (note) cell.append(made('small', '', note));
      return cell;
    }));
    return line;
  }));
  grid.append(top, body);
  beside.replaceChildren(grid);
}

watch('value', show);
show();
