// One button per example. What it asks goes in through textContent.

const list = element.querySelector('.strip-items');

function show() {
  list.replaceChildren(...props.value.items.map(({image, task, question}, index) => {
    const item = document.createElement('li'), button = document.createElement('button');
    const picture = document.createElement('img'), words = document.createElement('span');
    const title = document.createElement('b'), asked = document.createElement('i');
    button.className = 'strip-item';
    button.type = 'button';
    picture.src = image.url;
    picture.alt = '';
    title.textContent = task;
    asked.textContent = question;
    words.append(title, asked);
    button.title = question;
    button.append(picture, words);
    button.addEventListener('click', () => trigger('select', {index}));
    item.append(button);
    return item;
  }));
}

watch('value', show);
show();
