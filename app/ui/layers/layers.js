// Buttons for what the panels of the nearest `.panels` share. Joined behind ../overlay/room.js, which keeps it.

const KEPT_LEAST = 'boxloop-least-confidence';
const bar = element.querySelector('.layers'), output = element.querySelector('.layers-zoom');
const least = element.querySelector('.layers-least'), slider = least.querySelector('input');
const switches = [...element.querySelectorAll('[data-layer]')], steps = [...element.querySelectorAll('[data-by]')];

function room() { return near(element, '.panels'); }

function show() {
  if (!room()) return;   // the panels may come later; they say so
  if (room().dataset.least === undefined) return ask(keptLeast());   // which comes back here
  const off = hidden(), {times} = zoom(), truth = hasTruth();
  for (const each of switches) {
    const missing = each.dataset.layer === 'truth' && !truth;
    each.disabled = missing;
    each.setAttribute('aria-pressed', !missing && !off.has(each.dataset.layer));
    if (each.dataset.layer === 'truth') each.title = missing ? 'No ground truth for this picture' : 'Truth (key T)';
  }
  slider.value = room().dataset.least;
  slider.disabled = !hasScores();
  least.querySelector('span').textContent = `Confidence ≥ ${Number(slider.value).toFixed(2)}`;
  least.title = slider.disabled ? 'No answer here has a score'
    : 'Hides the answers that a model was less sure of. An answer without a score always stays';
  output.textContent = `${Math.round(times * 100)} %`;
  // Not `disabled`: a button that is disabled under one's finger loses the focus.
  const end = {out: times === 1, in: times === CLOSEST, fit: times === 1};
  for (const each of steps) each.setAttribute('aria-disabled', end[each.dataset.by]);
}

function step(by) {
  const {x, y, times} = zoom();
  if (by === 'fit') fit(); else zoomTo({x, y, times: by === 'in' ? times * STEP : times / STEP});
}

// Below this confidence an answer is hidden: 0 shows everything.
function ask(confidence) {
  room().dataset.least = confidence;
  tell();
}

function keptLeast() {
  let chosen = 0;
  try { chosen = Number(localStorage.getItem(KEPT_LEAST)); } catch (refused) { forgetful(refused); }
  return chosen >= 0 && chosen <= 1 ? chosen : 0;
}

slider.addEventListener('input', () => {
  if (!room()) return;
  try { localStorage.setItem(KEPT_LEAST, slider.value); } catch (refused) { forgetful(refused); }
  ask(slider.value);
});
for (const each of switches) each.addEventListener('click', () => room() && toggle(each.dataset.layer));
for (const each of steps) each.addEventListener('click', () => room() && step(each.dataset.by));
bar.addEventListener('layers-news', show);
show();
