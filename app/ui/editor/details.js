// What is known of the picture beside its objects: the question and its answer in words, a note, a flag, and everything
// that was saved before. All of it is saved with the objects, as one event.

const details = find('.editor-details'), versions = find('.editor-versions');
const fields = {query: find('.editor-query'), answer: find('.editor-answer'), note: find('.editor-noted')};
let about = {task: '', query: '', answer: null, note: '', flagged: false, skipped: false};

function detailed() {
  for (const [name, field] of Object.entries(fields)) {
    field.addEventListener('input', () => {
      about[name] = name === 'answer' && !field.value ? null : field.value;
      changed();
      showBar();
    });
    field.addEventListener('keydown', event => {
      if (event.key === 'Escape') svg.focus({preventScroll: true});
    });
  }
  find('.editor-task').addEventListener('change', event => {
    about.task = event.target.value;
    changed();
    showDetails();
  });
  versions.addEventListener('click', event => {
    const id = event.target.closest('[data-version]')?.dataset.version;
    if (id) trigger('version', {sample: view.sample, id});
  });
}

// A question that is answered in words has no objects to accept.
function wordy() { return about.task === 'ask'; }

function answered() { return wordy() && !!about.answer; }

function flag() {
  about.flagged = !about.flagged;
  changed();
  showBar();
  say(about.flagged ? 'Flagged: somebody should look at it again' : 'The flag is gone');
}

function showDetails() {
  for (const [name, field] of Object.entries(fields)) {
    if (document.activeElement !== field) field.value = about[name] || '';
  }
  const task = find('.editor-task');
  if (!task.options.length) task.append(...props.tasks.map(([title, name]) => option(name, title)));
  task.value = about.task;
  find('.editor-answered').hidden = !wordy();
  const list = view.history || [];
  find('.editor-history-none').hidden = !!list.length;
  versions.replaceChildren(...list.map(version));
}

function version({id, when, author, words, current}) {
  const made = document.createElement('li'), back = document.createElement('button');
  back.type = 'button';
  back.dataset.version = id;
  back.textContent = 'restore';
  back.hidden = current;
  back.setAttribute('aria-label', `Restore the version of ${when}`);
  made.append(worded(when, 'editor-when'), worded([author, words].filter(Boolean).join(': '), 'editor-what'), back);
  made.classList.toggle('current', current);
  return made;
}

// An older version comes back as one more edit, which can be undone like any other.
function hearVersion() {
  const told = props.older;
  if (!told || told.sample !== view?.sample || told.ticket === hearVersion.seen) return;
  hearVersion.seen = told.ticket;
  Object.assign(about, told.about);
  restores = told.id;
  edit(`The version of ${told.when} is back`, told.objects, {choose: [], empty: told.nothing});
  showDetails();
}
