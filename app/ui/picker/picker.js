// A box for each model. What models are called goes in through textContent; which are ticked is known here alone, and
// Python is told with everything that is sent. A box stays the same node, so the focus stays on it.

const find = selector => element.querySelector(selector);
const here = find('.picker-here'), away = find('.picker-away'), more = find('.picker-more'), note = find('.picker-note');
const boxes = new Map();
let ticked = new Set();

function made(id) {
  const item = document.createElement('li'), label = document.createElement('label');
  const box = document.createElement('input'), text = document.createElement('span');
  box.type = 'checkbox';
  box.addEventListener('change', () => {
    if (box.checked) ticked.add(id); else ticked.delete(id);
    tell();
    trigger('input');
  });
  label.append(box, text);
  item.append(label);
  return {item, box, text};
}

function hear() {
  const {offers = [], ticked: told = null, note: said = ''} = props.value || {};
  const there = new Set(offers.map(each => each.id));
  ticked = new Set([...(told ?? ticked)].filter(id => there.has(id)));
  for (const [id, {item}] of boxes) if (!there.has(id)) { item.remove(); boxes.delete(id); }
  const at = {true: 0, false: 0};
  for (const each of offers) {
    if (!boxes.has(each.id)) boxes.set(each.id, made(each.id));
    const {item, box, text} = boxes.get(each.id), list = each.here ? here : away, place = at[each.here]++;
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
    if (text.textContent !== each.words) text.textContent = each.words;
    box.checked = ticked.has(each.id);
  }
  more.hidden = !at.false;
  if (!at.true || offers.some(each => !each.here && ticked.has(each.id))) more.open = true;
  if (note.textContent !== said) note.textContent = said;
  if (told === null) tell();
}

function tell() {
  const {offers} = props.value;
  props.value = {...props.value, ticked: offers.map(each => each.id).filter(id => ticked.has(id))};
}

watch('value', hear);
hear();
