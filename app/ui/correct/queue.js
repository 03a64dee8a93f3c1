// The queue: what is chosen goes to Python, what Python says is shown. Names, questions and labels only by textContent.

const find = selector => element.querySelector(selector);
const list = find('.queue-items'), filters = [...element.querySelectorAll('[data-filter]')], none = find('.queue-none');
const ALL = {dataset: 'all datasets', label: 'any label', model: 'any model'};

function show() {
  const {items, selected, wanted, progress, choices, matching, removed, operator, waiting} = props.value;
  for (const each of filters) fill(each, choices[each.dataset.filter], wanted[each.dataset.filter]);
  showProgress(progress, matching, wanted);
  find('.queue-removed').hidden = !removed;
  find('.queue-removed span').textContent = removed;
  find('.queue-waiting').hidden = !waiting;
  find('.queue-waiting').textContent = `${waiting} ${waiting === 1 ? 'suggestion waits' : 'suggestions wait'}: look`;
  const had = list.contains(document.activeElement);
  list.replaceChildren(...items.map(each => row(each, each.key === selected, operator)));
  const on = list.querySelector('[aria-selected=true]');
  if (on) list.scrollTop = Math.max(0, on.offsetTop - list.offsetTop - list.clientHeight / 3);
  if (had) on?.focus({preventScroll: true});
  const whole = progress.total + progress.suggested;
  none.hidden = items.length > 0;
  none.querySelector('p').textContent = whole
    ? wanted.status === 'unreviewed' ? 'All of these are looked at. Choose another status above to see them again.'
      : 'Nothing matches these filters.'
    : 'Nothing to correct yet. In Compare, press “Take → Correct” under an answer; or import a dataset in Data.';
  none.querySelector('button').hidden = !!whole || !operator;
  find('.queue-filters').hidden = !whole;
}

function fill(filter, choices, now) {
  if (filter.type === 'checkbox') { filter.checked = now; return; }
  if (choices) filter.replaceChildren(...[['', ALL[filter.dataset.filter]], ...choices].map(([value, text]) => {
    const option = document.createElement('option');
    option.value = value;
    option.textContent = text;
    return option;
  }));
  filter.value = now;
}

function showProgress({reviewed, skipped, total, flagged}, matching, {status}) {
  const bar = find('.queue-bar'), said = [`${reviewed} of ${total} reviewed`];
  find('.queue-progress').hidden = !total;
  bar.setAttribute('aria-valuemax', total);
  bar.setAttribute('aria-valuenow', reviewed);
  bar.firstElementChild.style.width = `${total ? 100 * reviewed / total : 0}%`;
  if (skipped) said.push(`${skipped} skipped`);
  if (flagged) said.push(`${flagged} flagged`);
  if (matching !== total && status !== 'reviewed') said.push(`${matching} here`);
  find('.queue-progress p').textContent = said.join(' · ');
}

function row({key, thumb, name, asked, status, note}, on, operator) {
  const made = document.createElement('li'), picture = document.createElement('img'),
    words = document.createElement('span');
  made.setAttribute('role', 'option');
  made.setAttribute('aria-selected', on);
  made.tabIndex = on ? 0 : -1;
  made.dataset.key = key;
  made.title = `${name}\n${asked}`;
  if (thumb) picture.src = thumb.url;
  picture.alt = '';
  picture.loading = 'lazy';
  words.append(worded('b', name), worded('i', asked), worded('small', [SAID[status],
    note].filter(Boolean).join(' · ')));
  made.append(picture, words);
  made.dataset.status = status;
  if (status === 'suggested' && operator) made.append(button('accept', 'Accept'), button('decline', 'Decline'));
  return made;
}

const SAID = {unreviewed: '', reviewed: 'reviewed', skipped: 'skipped', flagged: 'flagged', suggested: 'suggested'};

function worded(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function button(does, text) {
  const made = worded('button', text);
  made.type = 'button';
  made.dataset.does = does;
  return made;
}

list.addEventListener('click', event => {
  const on = event.target.closest('[data-key]'), does = event.target.dataset.does;
  if (!on) return;
  if (does === 'accept') trigger('accept', {sample: on.dataset.key});
  else if (does === 'decline') trigger('decline', {sample: on.dataset.key});
  else trigger('select', {sample: on.dataset.key});
});
list.addEventListener('keydown', event => {
  const rows = [...list.children], now = rows.indexOf(event.target.closest('[data-key]'));
  const to = {ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1}[event.key];
  if (now < 0 || event.target.dataset.does) return;
  if (to !== undefined) {
    rows.forEach(each => { each.tabIndex = -1; });
    const next = rows[Math.max(0, Math.min(to, rows.length - 1))];
    next.tabIndex = 0;
    next.focus();
  } else if (event.key === 'Enter' || event.key === ' ') trigger('select', {sample: rows[now].dataset.key});
  else return;
  event.preventDefault();
});
for (const each of filters) each.addEventListener('change', () => {
  const wanted = Object.fromEntries(filters.map(one => [one.dataset.filter, one.type === 'checkbox' ? one.checked
    : one.value]));
  trigger('filter', {wanted});
});
find('.queue-removed button').addEventListener('click', () => trigger('undo'));
find('.queue-waiting').addEventListener('click', () => trigger('waiting'));
find('.queue-example').addEventListener('click', () => trigger('example'));
watch('value', show);
show();
