// What a model said, verbatim, while it is still saying it. Text goes in through textContent only; what is already
// there stays, and the new end is added to it, so that a selection survives.

const find = selector => element.querySelector(selector);
const said = find('.answer-said'), problems = find('.answer-problems'), raw = find('.answer-raw');

function show() {
  const value = props.value || {};
  said.textContent = value.said || '';
  said.hidden = !value.said;
  problems.hidden = !(value.problems && value.problems.length);
  problems.classList.toggle('failed', value.failed === true);
  problems.replaceChildren(...(value.problems || []).map(problem => {
    const item = document.createElement('li');
    item.textContent = problem;
    return item;
  }));
  raw.hidden = value.text === undefined || value.text === null;
  grow(find('.answer-text'), value.text || '');
  find('.answer-prompt').textContent = value.prompt || '';
  find('.answer-facts').textContent = value.facts || '';
}

function grow(place, text) {
  const before = place.textContent;
  if (before && text.startsWith(before)) place.firstChild.appendData(text.slice(before.length));
  else if (before !== text) place.textContent = text;
}

watch('value', show);
show();
