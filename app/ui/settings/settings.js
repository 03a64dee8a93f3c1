// How one model is asked. The server says only what changes; what a person set here stays until something newer comes.

const find = selector => element.querySelector(selector);
const prompt = find('.panel-prompt textarea'), own = find('.settings-own'), form = find('.panel-form input');
const pixels = find('.panel-pixels select'), checked = find('.panel-checked');
const pairs = {tokens: find('.panel-tokens'), heat: find('.panel-heat')};
// given: the prompt that the server told last, and the picture it is about. What comes from the server has no `own`.
let mine = {...props.start, own: true}, given = null;

function show() {
  if (prompt.value !== mine.prompt) prompt.value = mine.prompt;
  own.hidden = given === null || mine.prompt === given.prompt;
  for (const [name, pair] of Object.entries(pairs))
    for (const input of pair.querySelectorAll('input')) if (Number(input.value) !== mine[name] || input.value === '')
      if (document.activeElement !== input) input.value = mine[name];
  form.checked = mine.form;
  if (![...pixels.options].some(option => option.value === String(mine.pixels)))   // asked by command
    pixels.append(new Option(`up to ${mine.pixels} megapixels`, String(mine.pixels)));
  pixels.value = String(mine.pixels);
  for (const part of ['.panel-prompt', '.panel-tokens', '.panel-heat']) find(part).hidden = !mine.writes;
  find('.panel-form').hidden = !mine.writes || !mine.formed;
  checked.textContent = mine.checked ? mine.checked.text : '';
  checked.hidden = !checked.textContent;
  checked.classList.toggle('problem', !!mine.checked && mine.checked.problem);
}

function set(news) {
  mine = {...mine, ...news};
  props.value = mine;
  show();
}

// The same words about the same picture, told once more, take nothing back that was typed since.
function hear() {
  const {own: told, about, ...news} = props.value || {};
  if (told) return;
  if ('prompt' in news) {
    if (given && given.about === about && given.prompt === news.prompt) delete news.prompt;
    else given = {about, prompt: news.prompt};
  }
  set(news);
}

function number(name, input, least, most) {
  const value = Number(input.value);
  if (input.value !== '' && Number.isFinite(value)) set({[name]: Math.min(Math.max(value, least), most)});
}

for (const [name, pair] of Object.entries(pairs))
  for (const input of pair.querySelectorAll('input')) {
    input.addEventListener('input', () => number(name, input, Number(input.min), Number(input.max)));
    input.addEventListener('change', () => { input.value = mine[name]; });   // what was out of bounds, or nothing
  }
pixels.append(...props.sizes.map(([words, size]) => new Option(words, String(size))));
prompt.maxLength = props.longest;
prompt.addEventListener('input', () => set({prompt: prompt.value}));
own.addEventListener('click', () => { set({prompt: given.prompt}); prompt.focus(); });
form.addEventListener('change', () => set({form: form.checked}));
pixels.addEventListener('change', () => set({pixels: Number(pixels.value)}));
find('.panel-again').addEventListener('click', () => trigger('again'));
find('.panel-check').addEventListener('click', () => trigger('check'));
watch('value', hear);
hear();
