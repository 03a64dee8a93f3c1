// The head of a panel: everything through textContent, and only what changed, so that a screen reader says it once.

const title = element.querySelector('.head-title'), status = element.querySelector('.head-status');
const badge = element.querySelector('.head-badge');
const note = element.querySelector('.head-note'), head = element.querySelector('.head');

function show() {
  const value = props.value || {};
  head.dataset.model = value.model || '';
  put(title, value.title);
  put(status, value.status);
  put(note, value.note);
  title.title = value.about || '';
  status.title = value.status || '';
  status.dataset.kind = value.kind || 'idle';
  badge.hidden = !value.badge;
  badge.dataset.kind = value.badge ? value.badge.kind : '';
  badge.title = value.badge ? value.badge.detail : '';
  put(badge, value.badge ? value.badge.text : '');
}

function put(place, text = '') { if (place.textContent !== text) place.textContent = text; }

watch('value', show);
show();
