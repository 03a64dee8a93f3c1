// A click asks Python for a file; when the file is there, the browser saves it by itself. Text only by textContent.

const button = element.querySelector('.download-button'), note = element.querySelector('.download-note');
let waiting = false, ticket = props.value && props.value.ticket;   // a file that was saved once is not saved again

function show() {
  const value = props.value || {};
  button.textContent = waiting ? 'Preparing…' : props.label;
  button.setAttribute('aria-disabled', String(waiting || !value.ready));   // not `disabled`: that loses the focus
  button.setAttribute('aria-busy', String(waiting));
  note.textContent = waiting ? '' : value.problem || '';
}

function hear() {
  const value = props.value || {};
  const news = value.ticket && value.ticket !== ticket;
  if (news) {
    ticket = value.ticket;
    waiting = false;
    if (value.file) save(value.file);
  }
  show();
}

function save({url, orig_name: name}) {
  const link = document.createElement('a');
  link.href = url;
  link.download = name || '';
  element.append(link);
  link.click();
  link.remove();
}

button.addEventListener('click', () => {
  if (button.getAttribute('aria-disabled') === 'true') return;
  waiting = true;
  show();
  trigger('click');
});

watch(['value', 'label'], hear);
show();
