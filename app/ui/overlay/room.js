// What the panels of one `.panels` share, kept as attributes of that element so that a panel which comes later finds
// it: data-picture (what they show), data-zoom (where all look), data-hide (the layers that are off) and data-least
// (the confidence below which answers are hidden; the toolbar alone sets it: what hides can come back).
// Joined in front of drawing.js and of the toolbar's layers.js; each says in `room()` where that element is.

const CLOSEST = 40, STEP = 1.5;   // times the whole picture; of a key or button
const LAYERS = ['labels', 'boxes', 'points', 'truth'];
const KEPT = 'boxloop-hidden-layers';

// The middle of what is seen, in widths and heights of the picture, and how many times it is enlarged. Panels of any
// size on the screen agree on that.
function zoom() {
  const [x, y, times] = (room().dataset.zoom || '.5 .5 1').split(' ').map(Number);
  return {x, y, times};
}

// The window never leaves the picture, so the picture never leaves the window.
function zoomTo({x, y, times}) {
  const close = times < 1.01 ? 1 : Math.min(times, CLOSEST), half = .5 / close;
  const within = value => Math.max(half, Math.min(value, 1 - half));
  room().dataset.zoom = `${within(x)} ${within(y)} ${close}`;
  tell();
}

function fit() { zoomTo({x: .5, y: .5, times: 1}); }

function hidden() { return new Set((room().dataset.hide ??= kept()).split(' ').filter(Boolean)); }

function toggle(layer) {
  if (layer === 'truth' && !hasTruth()) return;
  const off = hidden();
  if (!off.delete(layer)) off.add(layer);
  room().dataset.hide = [...off].join(' ');
  try { localStorage.setItem(KEPT, room().dataset.hide); } catch (refused) { forgetful(refused); }
  tell();
}

// Compared as it is written on the picture, so that a 0.35 stays at 0.35. No score is no low score: it is never unsure.
function unsure({score}) { return score != null && Number(score.toFixed(2)) < Number(room().dataset.least || 0); }

function hasScores() { return !!room().querySelector('.overlay-shapes [data-score]'); }

function hasTruth() { return !!room().querySelector('.overlay-truth'); }

function kept() {
  let chosen = null;
  try { chosen = localStorage.getItem(KEPT); } catch (refused) { forgetful(refused); }
  return chosen === null ? 'truth' : LAYERS.filter(each => chosen.split(' ').includes(each)).join(' ');
}

// A page inside another site's frame may be refused storage; then the choice lasts as long as the page.
function forgetful(refused) { console.info('The choice of layers is not kept:', refused.message); }

// The model of a panel. Its head says it, since a panel can pass from one model to another.
function modelOf(part) { return part.closest('[id^=panel-]')?.querySelector('.head')?.dataset.model; }

// Objects of any panel that were chosen for the editor: {model, id, object}.
function basket() { return room()?.basket || []; }

function fillBasket(some) {
  room().basket = some;
  tell();
}

function empty() { fillBasket([]); }

// Every panel of the room and its toolbar look at the attributes again. The toolbar is not inside the room but near it.
function tell() {
  for (const each of room().querySelectorAll('.overlay')) each.dispatchEvent(new CustomEvent('overlay-news'));
  for (const name of ['layers', 'basket']) near(room(), `.${name}`)?.dispatchEvent(new CustomEvent(`${name}-news`));
}

function near(from, selector) {
  for (let at = from; at; at = at.parentElement) {
    const found = at.querySelector(selector);
    if (found) return found;
  }
  return null;
}
