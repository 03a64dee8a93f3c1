// A blind vote: names, prompts and times of the panels are hidden, their order is shuffled, one chooses; then they are
// back. Joined behind ../overlay/room.js.

const find = selector => element.querySelector(selector), choices = find('.vote-choices');

function room() { return near(element, '.panels'); }

function columns() {
  return [...room().querySelectorAll('[id^=panel-]')].filter(each => each.offsetParent
    && each.querySelector('.head-status')?.dataset.kind === 'done');
}

function begin() {
  const some = columns(), order = some.map((_, n) => n);
  if (some.length < 2) { find('.vote-said').textContent = 'Two answers are needed: tick two models and press Run.';
    return; }
  for (let n = order.length - 1; n; n--) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (n + 1);
    [order[n], order[other]] = [order[other], order[n]];
  }
  some.forEach((each, n) => {
    each.style.order = order[n];
    each.dataset.letter = String.fromCharCode(65 + order[n]);
  });
  room().classList.add('blind');
  const named = [...some].sort((a, b) => a.style.order - b.style.order);
  choices.replaceChildren(...named.map(each => choice(`${each.dataset.letter} is best`, modelOf(each))),
    choice('None is better', null), choice('Cancel', undefined));
  const models = named.map(modelOf);
  choices.onclick = event => {
    if (!('model' in event.target)) return;
    if (event.target.model !== undefined) trigger('vote', {winner: event.target.model, models, key: key()});
    end();
  };
  choices.hidden = false;
  find('.vote-begin').hidden = true;
  find('.vote-said').textContent = '';
  choices.firstElementChild.focus();
}

function choice(text, model) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.model = model;
  return made;
}

function end() {
  room().classList.remove('blind');
  for (const each of room().querySelectorAll('[data-letter]')) { each.style.order = ''; delete each.dataset.letter; }
  choices.hidden = true;
  find('.vote-begin').hidden = false;
  find('.vote-begin').focus();
}

function key() { return [...crypto.getRandomValues(new Uint8Array(12))].map(each => each.toString(16).padStart(2,
  '0')).join(''); }

find('.vote-begin').addEventListener('click', begin);
watch('value', () => { find('.vote-said').textContent = props.value; });
