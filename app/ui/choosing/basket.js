// What was chosen in the panels (looking.js keeps it there), as a button that takes it to the editor. Joined behind
// ../overlay/room.js.

const bar = element.querySelector('.basket');

function room() { return near(element, '.panels'); }

function show() {
  const some = basket();
  bar.hidden = !some.length;
  const names = some.map(({object}) => object.label || 'object').join(', ');
  element.querySelector('.basket-words').textContent = some.length ? `Chosen: ${names}` : '';
}

element.querySelector('.basket-take').addEventListener('click', () => {
  const some = basket(), models = some.map(({model}) => model);
  const most = models.sort((a, b) => models.filter(one => one === b).length - models.filter(one =>
    one === a).length)[0];
  trigger('take', {model: most, objects: some.map(({object}, n) => ({...object, id: `c${n}`}))});
  empty();
});
element.querySelector('.basket-clear').addEventListener('click', empty);
bar.addEventListener('basket-news', show);
