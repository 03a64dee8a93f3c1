// Click, drop or paste a picture: the file is uploaded as it is, then Python looks at it and says what it is.

const find = selector => element.querySelector(selector);
const drop = find('.picker-drop'), input = find('.picker-input'), thumb = find('.picker-thumb');
const title = find('.picker-title'), note = find('.picker-note'), problem = find('.picker-problem');

function show() {
  const value = props.value;
  title.textContent = value ? value.picture.orig_name || 'picture' : 'Choose a picture';
  title.title = title.textContent;
  note.textContent = !value ? 'or drop or paste one here' : value.problem ? 'choose another' : `${value.note} · change`;
  problem.textContent = value && value.problem || '';
  const url = value && value.shown ? value.shown.url : '';
  thumb.hidden = !url;
  if (url && thumb.getAttribute('src') !== url) thumb.src = url;
}

async function take(file) {
  if (!file) return;
  title.textContent = file.name;
  note.textContent = 'sending…';
  problem.textContent = '';
  try {
    const {path, url} = await upload(file);
    props.value = {picture: {path, url, orig_name: file.name, meta: {_type: 'gradio.FileData'}}, shown: null,
      note: '', problem: ''};
    trigger('upload');
  } catch (error) {
    note.textContent = 'choose another';
    problem.textContent = `${file.name} could not be sent: ${error.message || error}`;
  }
}

input.addEventListener('change', () => { take(input.files[0]); input.value = ''; });
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
  drop.addEventListener(name, event => { event.preventDefault(); drop.classList.toggle('over', over); });
}
drop.addEventListener('drop', event => take(event.dataTransfer.files[0]));
element.addEventListener('paste', event => {
  take([...event.clipboardData.files].find(file => file.type.startsWith('image/')));
});

watch('value', show);
show();
