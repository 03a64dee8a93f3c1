// The head of a panel: everything through textContent, and only what changed, so that a screen reader says it once.

const title = element.querySelector('.head-title'), status = element.querySelector('.head-status');

function show() {
  const value = props.value || {};
  put(title, value.title);
  put(status, value.status);
  title.title = value.about || '';
  status.title = value.status || '';
  status.dataset.kind = value.kind || 'idle';
}

function put(place, text = '') { if (place.textContent !== text) place.textContent = text; }

watch('value', show);
show();
