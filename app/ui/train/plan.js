// Cards for the presets, and a drawer with every setting of the spec, drawn from its schema. What differs from the
// preset is what travels: {preset, changed: {name: text}}. Words go in through textContent.

const find = selector => element.querySelector(selector);
const cards = find('.plan-cards'), groups = find('.plan-groups'), reset = find('.plan-reset');
const name = `plan-${Math.random().toString(36).slice(2)}`;
const inputs = new Map(), radios = new Map();   // by the name of the setting; by that of the preset
let resting = 0, mine = {}, touched = false;   // mine: what is chosen here, and whether it can be

const now = () => ({preset: props.schema.presets[0].name, changed: {}, ...props.value});

function made(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function tell(news) {
  touched = true;
  props.value = {...now(), ...news};
  remember();
  show();
  clearTimeout(resting);
  resting = setTimeout(() => trigger('input'), 250);
}

function card(preset) {
  const label = made('label', 'plan-card'), radio = made('input'), words = made('span', 'plan-words');
  radio.type = 'radio';
  radio.name = name;
  radio.value = preset.name;
  radio.addEventListener('change', () => tell({preset: preset.name}));
  words.append(made('b', '', preset.title), made('i', 'plan-takes'), made('span', 'plan-help', preset.help));
  label.append(radio, words);
  radios.set(preset.name, {radio, takes: label.querySelector('.plan-takes')});
  return label;
}

function control({name: key, kind, of, least, most, whole}) {
  if (kind === 'bool' || kind === 'choice') {
    const select = made('select');
    const options = kind === 'bool' ? [['true', 'yes'], ['false', 'no']] : of.map(value => [value, value]);
    select.append(...options.map(([value, text]) => {
      const option = made('option', '', text);
      option.value = value;
      return option;
    }));
    select.addEventListener('change', () => typed(key, select.value));
    return select;
  }
  const input = made('input');
  input.type = 'text';
  input.autocomplete = 'off';
  input.spellcheck = false;
  if (kind === 'number') {
    input.inputMode = whole ? 'numeric' : 'decimal';
    if (least !== null) input.title = `from ${least} to ${most}`;
  }
  input.addEventListener('input', () => typed(key, input.value.trim()));
  return input;
}

function field(told) {
  const row = made('label', 'plan-field'), input = control(told);
  row.append(made('b', '', told.title), input, made('span', 'plan-help', told.help));
  row.title = told.name;
  inputs.set(told.name, {input, row, told});
  return row;
}

// Back at the default is no change; a number is the same however it is written.
function typed(key, value) {
  const {preset, changed} = now(), {told} = inputs.get(key), base = told.defaults[preset], rest = {...changed};
  delete rest[key];
  const same = told.kind === 'number' && value !== '' ? Number(value) === Number(base) : value === base;
  tell({changed: same ? rest : {...rest, [key]: value}});
}

function show() {
  const {preset, changed, takes = {}, closed = false} = now();
  for (const [key, {radio, takes: place}] of radios) {
    radio.checked = key === preset;
    radio.disabled = closed;
    place.textContent = takes[key] || `about ${minutes(props.schema.presets.find(each => each.name === key).minutes)}`;
  }
  for (const [key, {input, row, told}] of inputs) {
    const value = key in changed ? changed[key] : told.defaults[preset];
    if (input.value !== value && document.activeElement !== input) input.value = value;
    input.disabled = closed;
    row.classList.toggle('plan-changed', key in changed);
    const wrong = key in changed ? problem(told, value) : '';
    input.setCustomValidity(wrong);
    input.setAttribute('aria-invalid', String(!!wrong));
    row.querySelector('.plan-help').textContent = wrong || told.help;
  }
  const count = Object.keys(changed).length;
  find('.plan-count').textContent = count ? `· ${count} changed` : '';
  reset.hidden = !count || closed;
}

function problem({kind, whole, least, most}, value) {
  if (kind !== 'number') return '';
  const number = Number(value), is = value === '' ? 'nothing' : value;
  if (value === '' || !Number.isFinite(number)) return `“${is}” is no number`;
  if (whole && !Number.isInteger(number)) return 'a whole number, please';
  return least !== null && (number < least || number > most) ? `between ${least} and ${most}, please` : '';
}

function minutes(number) { return number < 90 ? `${number} min` : `${number / 60} h`; }

function remember() { const {preset, changed, closed} = now(); mine = {preset, changed, closed}; }

// News about what the choices take, and what is remembered when the tab opens, must not undo a choice that was made while
// they were on their way.
function hear() {
  const {keep, remembered, ...value} = props.value || {};
  props.value = keep || remembered && touched ? {...value, ...mine, closed: value.closed ?? mine.closed} : value;
  remember();
  show();
}

cards.append(...props.schema.presets.map(card));
groups.append(...props.schema.groups.map(({title, fields}) => {
  const group = made('fieldset', 'plan-group');
  group.append(made('legend', '', title), ...fields.map(field));
  return group;
}));
reset.addEventListener('click', () => { tell({changed: {}}); find('.plan-more summary').focus(); });
watch('value', hear);
remember();
show();
