// A figure per picture: itself a button, and one that opens the editor. Words go in through textContent.

const list = element.querySelector('.gallery-shots');

function made(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function show() {
  const {shots = [], open = -1, editable = false} = props.value || {};
  list.replaceChildren(...shots.map(({image, name, note}, index) => {
    const item = document.createElement('li'), button = made('button', 'gallery-shot');
    const picture = made('img');
    picture.src = image.url;
    picture.alt = '';
    picture.loading = 'lazy';
    button.type = 'button';
    button.setAttribute('aria-pressed', String(index === open));
    button.append(picture, made('b', '', name), made('span', '', note));
    button.addEventListener('click', () => trigger('select', {index}));
    item.append(button);
    if (editable) {
      const correct = made('button', 'gallery-correct', 'Correct');
      correct.type = 'button';
      correct.setAttribute('aria-label', `Correct ${name}`);
      correct.addEventListener('click', () => trigger('correct', {index}));
      item.append(correct);
    }
    return item;
  }));
}

watch('value', show);
show();
