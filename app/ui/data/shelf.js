// A button per dataset, with its first pictures. Names go in through textContent.

const list = element.querySelector('.shelf');

function show() {
  const {items = [], selected = ''} = props.value || {};
  list.replaceChildren(...items.map(({id, name, note, thumbs}) => {
    const item = document.createElement('li'), button = document.createElement('button');
    const row = document.createElement('span'), title = document.createElement('b'), words = document.createElement('i');
    button.type = 'button';
    button.className = 'shelf-item';
    button.dataset.id = id;
    button.setAttribute('aria-current', id === selected);
    row.className = 'shelf-thumbs';
    row.append(...thumbs.map(({url}) => {
      const picture = document.createElement('img');
      picture.src = url;
      picture.alt = '';
      picture.loading = 'lazy';
      return picture;
    }));
    title.textContent = name;
    title.title = name;
    words.textContent = note;
    button.append(title, words, row);
    button.addEventListener('click', () => trigger('select', {id}));
    item.append(button);
    return item;
  }));
}

watch('value', show);
show();
