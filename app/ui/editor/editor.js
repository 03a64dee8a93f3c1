// Starts the editor: the bar, what comes from Python, and what is to be drawn when something changed. Joined behind the
// overlay's scripts and its own, all in one scope.

const bar = find('.editor-bar'), more = find('.editor-more');
let telling = 0;

const BUTTONS = {
  edit: () => setTool('edit'), box: () => setTool('box'), points: () => setTool('points'), insert, undo, redo,
  delete: () => PLAIN.delete(), accept: () => accept(false), all: () => accept(true), nothing: sayNothing,
  copy: copyEarlier, bare, model: () => toggle('truth'), flag, help: showHelp,
  out: () => closer(1 / STEP), in: () => closer(STEP), fit,
  previous: () => leave('previous'), next: () => leave('next'), skip: () => leave('skip'), done: () => leave('done'),
  remove: () => leave('remove'), visible: () => setVisibility('visible'), hidden: () => setVisibility('hidden'),
  absent: () => setVisibility('absent'), point: () => nextJoint(1), make: makeTemplate, give: () => maker.close(),
  close: () => root.classList.remove('full'), open: () => root.classList.add('full'),
};

// Everything beside the picture. What was drawn on it, `draw` has drawn.
function refresh() {
  markUp();
  showBar();
  showLabels();
  clearTimeout(telling);
  telling = setTimeout(showList, items.length > 300 ? 60 : 0);   // a long list does not wait for the next press
}

function showBar() {
  const some = picked(), point = joint >= 0 && one() ? one().points[joint] : null, whole = zoom().times === 1;
  const proposed = items.filter(each => !each.checked).length, bared = root.classList.contains('bare');
  const pressed = {edit: tool === 'edit', box: tool === 'box', points: tool === 'points', bare: bared,
    model: !hidden().has('truth'), flag: about.flagged, nothing: nothing && !items.length,
    visible: point?.visibility === 'visible', hidden: point?.visibility === 'hidden',
    absent: point?.visibility === 'absent'};
  const off = {undo: !past.length, redo: !future.length, delete: !some.length, all: !proposed,
    accept: !some.some(each => !each.checked), copy: !view?.earlier?.length, model: !base.length,
    previous: !view?.before, out: whole, fit: whole};
  for (const each of element.querySelectorAll('[data-do]')) {
    const name = each.dataset.do;
    if (name in pressed) each.setAttribute('aria-pressed', pressed[name]);
    each.setAttribute('aria-disabled', off[name] === true);   // not `disabled`, under which a button loses the focus
  }
  find('.editor-all-count').textContent = proposed || '';
  find('.editor-zoom').textContent = `${Math.round(zoom().times * 100)} %`;
  find('.editor-sight').hidden = !point;
  find('.editor-place').textContent = view?.place || '';
  root.classList.toggle('flagged', about.flagged);
}

function showBeneath() {
  const theirs = conflict && clash.classList.contains('looking') ? conflict.objects : null;
  view.truth = (theirs || base).map(each => ({...each, id: `beneath ${each.id}`}));
  root.classList.toggle('theirs', !!theirs);
  draw();
  markUp();
}

function beneath() { return conflict && clash.classList.contains('looking') ? 'theirs' : view?.beneath || 'before'; }

function show() {
  const next = props.value && props.value.image ? props.value : null;
  hint.textContent = next ? '' : props.hint;
  root.classList.toggle('empty', !next);
  svg.toggleAttribute('hidden', !next);
  if (!next) { clear(); return; }
  if (view && next.stamp === view.stamp) return;   // Gradio tells of a value that it has told of
  const same = view && view.image.url === next.image.url && view.sample === next.sample;
  if (view && view.sample !== next.sample) { clearTimeout(patience); outbox = null; dirty = false; }
  begin(next, same);
}

// Another picture, or this one as it is now: a beginning, behind which no undo goes.
function begin(next, same) {
  view = {...next};
  ({parent, nothing} = next);
  items = next.annotations;
  base = next.base;
  about = {task: next.task, query: next.query, answer: next.answer, note: next.note, flagged: next.flagged,
    skipped: next.skipped};
  [past, future, chosen, joint, conflict, refused, restores] = [[], [], new Set(), -1, null, '', null];
  keptBefore = !!parent && !next.suggesting;
  clash.hidden = true;
  learnLabels(next.labels);
  last = labels.includes(last) ? last : '';
  root.classList.remove('bare');
  if (!same) { fit(); hang(); }
  view.annotations = items;
  showBeneath();
  listTemplates();
  findDraft();
  learnLabels(next.labels);
  settle();
  showDetails();
  showSaved();
  if (next.open) root.classList.add('full');
}

// A zoom or another size: `soon` draws in the next frame, and what lies above that is drawn right after it.
function anew() {
  soon();
  requestAnimationFrame(() => { if (view) { markUp(); showBar(); } });
}

element.addEventListener('click', event => {
  const button = event.target.closest('[data-do]');
  if (!button || button.getAttribute('aria-disabled') === 'true') return;
  if (view || ['close', 'help'].includes(button.dataset.do)) BUTTONS[button.dataset.do]?.();
  if (button.closest('.editor-menu')) more.open = false;
});
template.addEventListener('change', () => {
  if (template.value === 'new') askTemplate(); else say(`Template: ${figure().title}`);
});
more.addEventListener('focusout', event => { if (!more.contains(event.relatedTarget)) more.open = false; });
more.addEventListener('keydown', event => {
  if (event.key !== 'Escape' || !more.open) return;
  more.open = false;
  event.stopPropagation();
  more.firstElementChild.focus();
});

pointable();
typeable();
labelled();
listed();
detailed();
savable();
root.addEventListener('overlay-news', anew);
new ResizeObserver(() => { measure(); anew(); }).observe(svg);
watch('value', show);
watch('receipt', hearReceipt);
watch('older', hearVersion);
show();
