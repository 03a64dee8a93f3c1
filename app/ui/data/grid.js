// A cell per sample: its picture small, with what is true of it drawn on top in the picture's own coordinates.

const SVG = 'http://www.w3.org/2000/svg';
const find = selector => element.querySelector(selector);
const list = find('.grid-cells'), said = find('.grid-said'), bar = find('.grid-bar');

function show() {
  const {cells = [], said: words = '', earlier = false, later = false, selected = ''} = props.value || {};
  said.textContent = words;
  bar.hidden = !words;
  for (const button of bar.querySelectorAll('.grid-step')) {
    button.disabled = !(button.dataset.step === '1' ? later : earlier);
    button.hidden = !earlier && !later;
  }
  list.replaceChildren(...cells.map(told => cell(told, told.id === selected)));
}

function cell({id, name, note, width, height, boxes, thumb}, selected) {
  const item = document.createElement('li'), button = document.createElement('button');
  const frame = document.createElement('span'), title = document.createElement('b'), words = document.createElement('i');
  button.type = 'button';
  button.className = 'grid-cell';
  button.dataset.id = id;
  button.setAttribute('aria-current', selected);
  button.title = `${name}: ${note}`;
  frame.className = 'grid-frame';
  if (thumb) {
    const picture = document.createElement('img');
    picture.src = thumb.url;
    picture.alt = '';
    picture.loading = 'lazy';
    frame.append(picture);
  }
  const drawing = document.createElementNS(SVG, 'svg');
  drawing.setAttribute('viewBox', `0 0 ${width} ${height}`);
  drawing.setAttribute('aria-hidden', 'true');
  drawing.append(...boxes.map(({box, point, colour}) => {
    const shape = document.createElementNS(SVG, box ? 'rect' : 'circle');
    const places = box ? {x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1]}
      : {cx: point[0], cy: point[1], r: Math.max(width, height) / 70};
    for (const [key, value] of Object.entries(places)) shape.setAttribute(key, value);
    shape.setAttribute(box ? 'stroke' : 'fill', colour);
    return shape;
  }));
  frame.append(drawing);
  title.textContent = name;
  words.textContent = note;
  button.append(frame, title, words);
  button.addEventListener('click', () => trigger('select', {id}));
  item.append(button);
  return item;
}

for (const button of bar.querySelectorAll('.grid-step')) {
  button.addEventListener('click', () => trigger('input', {step: Number(button.dataset.step)}));
}
watch('value', show);
show();
