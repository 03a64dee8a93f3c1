// Puts a text on the clipboard. Where the browser does not let us, the text is shown and selected instead.

const find = selector => element.querySelector(selector);
const button = find('.copied-button'), note = find('.copied-note'), text = find('.copied-text');
let later = 0;

function show() {
  button.textContent = props.label;
  button.setAttribute('aria-disabled', String(!props.value));
  text.hidden = true;
  note.textContent = '';
}

// A page that is neither https nor on this machine has no navigator.clipboard; the older command works there.
async function copy() {
  text.value = props.value;
  try {
    await navigator.clipboard.writeText(props.value);
    return true;
  } catch {
    text.hidden = false;
    text.select();
    return document.execCommand('copy');
  }
}

button.addEventListener('click', async () => {
  if (!props.value) return;
  clearTimeout(later);
  if (await copy()) {
    text.hidden = true;
    note.textContent = 'copied';
    later = setTimeout(() => { note.textContent = ''; }, 2500);
    button.focus();
  } else {
    note.textContent = 'press Ctrl+C';
  }
});

watch(['value', 'label'], show);
show();
