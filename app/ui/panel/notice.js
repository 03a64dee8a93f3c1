// One sentence to the person, through textContent.

const place = element.querySelector('.notice');

function show() {
  const {text = '', problem = false} = props.value || {};
  place.textContent = text;
  place.classList.toggle('problem', problem);
}

watch('value', show);
show();
