// What is known before a training begins: refusals with the way out, warnings, what it learns, what it takes. Rows of a
// dataset can say anything, so everything goes in through textContent.

const place = element.querySelector('.check');

function made(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function list(kind, sentences) {
  const all = made('ul', kind);
  all.append(...sentences.map(each => made('li', '', each)));
  return all;
}

function example({picture, prompt, answer}) {
  const row = made('div', 'check-example');
  row.append(made('b', '', picture), made('code', 'check-prompt', prompt), made('code', 'check-answer', answer));
  return row;
}

function show() {
  const {headline = '', mark = 'idle', refusals = [], warnings = [], facts = [], examples = []} = props.value || {};
  place.hidden = !headline;
  const head = made('h3', 'check-head', headline);
  head.dataset.mark = mark;
  head.setAttribute('role', 'status');
  const parts = [head];
  if (refusals.length) parts.push(list('check-refusals', refusals));
  if (facts.length) {
    const told = made('dl', 'check-facts');
    told.append(...facts.map(([name, value]) => {
      const pair = made('div');
      pair.append(made('dt', '', name), made('dd', '', value));
      return pair;
    }));
    parts.push(told);
  }
  if (warnings.length) parts.push(list('check-warnings', warnings));
  if (examples.length) {
    const more = made('details', 'check-examples'), open = place.querySelector('.check-examples')?.open;
    more.open = !!open;
    more.append(made('summary', '', 'What it will learn to answer'), ...examples.map(example));
    parts.push(more);
  }
  place.replaceChildren(...parts);
}

watch('value', show);
show();
