// Headline, facts, tables: all through textContent, because rows of a file can say anything.

const place = element.querySelector('.report');

function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function table({title, columns, rows, more}) {
  const part = make('details', 'report-part'), grid = make('table'), head = make('tr'), body = make('tbody');
  part.open = true;
  part.append(make('summary', '', title));
  head.append(...columns.map(column => make('th', '', column)));
  body.append(...rows.map(cells => {
    const row = make('tr');
    row.append(...cells.map(cell => make('td', '', cell)));
    return row;
  }));
  const top = make('thead');
  top.append(head);
  grid.append(top, body);
  const frame = make('div', 'report-table');
  frame.tabIndex = 0;
  frame.append(grid);
  part.append(frame);
  if (more) part.append(make('p', 'report-more', more));
  return part;
}

function show() {
  const {title = '', facts = [], tables = []} = props.value || {};
  place.hidden = !title;
  const list = make('ul', 'report-facts');
  list.append(...facts.map(fact => make('li', '', fact)));
  place.replaceChildren(make('h3', 'report-title', title), list, ...tables.map(table));
}

watch('value', show);
show();
