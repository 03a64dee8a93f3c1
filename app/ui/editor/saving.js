// Saved by itself, and visibly. One save is on its way at a time; each names the event that it changes (`parent`) and
// has a key of its own, so that sending it again does no harm. What is not saved yet also lies in this browser: a
// reload, a closed tab or a server that is gone loses nothing.

const PAUSE = 350, PATIENCE = 12_000;   // milliseconds after an edit; until a save that got no answer is sent again
const DRAFT = 'boxloop-draft ';
const saved = find('.editor-saved'), clash = find('.editor-clash');
const client = fresh();
let parent = null;          // the event that what is on the screen was made from
let restores = null;        // the older event that what is on the screen repeats
let outbox = null;          // what is on its way
let dirty = false, keptBefore = false, refused = '', conflict = null, going = null, pause = 0, patience = 0;

function savable() {
  const choices = {theirs: lookAtTheirs, keep: keepMine, take: takeTheirs};
  clash.addEventListener('click', event => choices[event.target.dataset.clash]?.());
  saved.addEventListener('click', () => { if (refused) { refused = ''; dirty = true; send(); } });
  addEventListener('pagehide', keepDraft);
  addEventListener('online', () => { if (outbox) post(); });
}

function state() {
  const source = each => each.checked ? 'person' : each.score_source || '';
  const objects = items.map(({checked, ...each}) => ({...each, score_source: source({checked, ...each})}));
  const reviewed = items.length ? items.every(each => each.checked) : nothing || base.length > 0;
  return {objects, reviewed: reviewed || answered(), nothing, restores, ...about};
}

// Something is not saved any more.
function changed() {
  dirty = true;
  refused = '';
  setTimeout(keepDraft, 0);
  clearTimeout(pause);
  if (!view.suggesting) pause = setTimeout(send, PAUSE);   // a suggestion is sent once, when its author is done
  showSaved();
}

function send() {
  clearTimeout(pause);
  if (!dirty || outbox || conflict || !view) return;
  dirty = false;
  outbox = {sample: view.sample, parent, client, key: fresh(), ...state()};
  restores = null;
  keepDraft();
  post();
}

function post() {
  clearTimeout(patience);
  patience = setTimeout(() => {
    refused = 'the server does not answer; this is tried again by itself';
    post();
  }, PATIENCE);
  trigger('save', outbox);
  showSaved();
}

function hearReceipt() {
  const told = props.receipt;
  if (!told || !outbox || told.key !== outbox.key) return;
  clearTimeout(patience);
  const sent = outbox;
  outbox = null;
  refused = '';
  if (told.saved !== undefined) {
    [parent, keptBefore] = [told.saved || null, true];
    if (told.history) view.history = told.history;
    if (told.words) say(told.words);
  } else if (told.conflict) {
    dirty = true;
    showClash(conflict = told.conflict);
  } else {
    refused = told.problem || 'the server gave no reason';
    restores = sent.restores;
    dirty = true;
  }
  if (dirty && !conflict && !refused && !view.suggesting) send(); else keepDraft();
  showSaved();
  showDetails();
  if (!outbox) { going?.(); going = null; }
}

// Until all is saved, or cannot be.
function settled() {
  send();
  return outbox ? new Promise(done => { going = done; setTimeout(done, 5000); }) : Promise.resolve();
}

// To another picture: once what was done here is saved. If it cannot be, the second time goes all the same.
async function leave(to) {
  if (to === 'done') finished();
  if (to === 'skip') { about.skipped = true; changed(); }
  if (to === 'next' || to === 'done' || to === 'previous') if (about.skipped && dirty) about.skipped = false;
  if (!view.suggesting || to === 'done') await settled();
  const free = view.suggesting && to !== 'done';   // a visitor need not send what they tried
  const stuck = free ? '' : conflict ? 'two versions, choose one' : outbox || dirty ? refused || 'no answer yet' : '';
  if (stuck && leave.warned !== view.sample) {
    leave.warned = view.sample;
    return say(`Not saved: ${stuck}. Once more goes on; it is kept in this browser.`, true);
  }
  leave.warned = null;
  trigger('go', {to, sample: view.sample});
}

// Everything here is as it should be: what a model said is accepted, and no objects means that none are there.
function finished() {
  about.skipped = false;
  if (items.some(each => !each.checked)) accept(true);
  else if (!items.length && !nothing && !wordy()) sayNothing();
  else if (!view.reviewed) changed();
}

function showSaved() {
  const [kind, words] = conflict ? ['bad', 'not saved: two versions'] : refused ? ['bad', `not saved: ${refused}`]
    : dirty && !outbox && view?.suggesting ? ['busy', 'not sent yet: press “Done” to suggest it']
    : dirty || outbox ? ['busy', 'saving…'] : !keptBefore ? ['', '']
    : ['good', view?.suggesting ? 'kept as a suggestion' : 'saved'];
  saved.dataset.kind = kind;
  if (saved.textContent !== words) saved.textContent = words;
  saved.title = refused ? 'Click to try again' : '';
}

function showClash({author, when, words}) {
  clash.hidden = !conflict;
  clash.querySelector('p').textContent = `${author || 'Somebody'} saved this picture while you were at it (${when}${
    words ? `: ${words}` : ''}). Choose which version goes on; theirs stays in the history in any case.`;
  say('Somebody else saved this picture meanwhile. Choose a version.');
}

function lookAtTheirs() {
  const on = clash.classList.toggle('looking');
  clash.querySelector('[data-clash=theirs]').setAttribute('aria-pressed', on);
  showBeneath();
}

function keepMine() { goOn(() => { dirty = true; }); }

function takeTheirs() {
  goOn(({objects, about: theirs, nothing: none}) => {
    past.push(step());
    future = [];
    items = objects;
    nothing = none;
    Object.assign(about, theirs);
    dirty = false;
  });
}

function goOn(decide) {
  const theirs = conflict;
  conflict = null;
  clash.hidden = true;
  clash.classList.remove('looking');
  [parent, keptBefore] = [theirs.id, true];   // their version is kept, whichever goes on
  decide(theirs);
  showBeneath();
  settle();
  showDetails();
  keepDraft();
  send();
  showSaved();
  svg.focus({preventScroll: true});
}

function keepDraft() {
  if (!view) return;
  const name = DRAFT + view.sample;
  try {
    if (!dirty && !outbox) localStorage.removeItem(name);
    else {
      const key = dirty ? null : outbox.key;
      localStorage.setItem(name, JSON.stringify({parent, key, items, nothing, restores, about}));
    }
  } catch (full) { forgetful(full); }
}

// What an earlier page could not save any more, is sent now; the server says if somebody else was faster.
function findDraft() {
  let draft = null;
  try { draft = JSON.parse(localStorage.getItem(DRAFT + view.sample)); } catch (broken) { forgetful(broken); }
  if (!draft?.items) return;
  past.push(step());
  ({parent, items, nothing, restores} = draft);
  Object.assign(about, draft.about);
  dirty = true;
  if (draft.key) {   // it may have arrived: the same key again makes no second event
    dirty = false;
    outbox = {sample: view.sample, parent, client, key: draft.key, ...state()};
    post();
  } else changed();
  say('What was not saved the last time is here again');
}
