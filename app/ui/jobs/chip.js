// Where models run and what runs now; a click opens the list. It asks for news only while it can be seen.

const chip = element.querySelector('.chip'), text = element.querySelector('.chip-text');
let last = Date.now() - props.seconds * 1000 + 1500;

function show() {
  const value = props.value || {};
  if (text.textContent === value.text) return;
  text.textContent = value.text || '';
  if (chip.classList.contains('chip-busy')) trigger('end');
  chip.classList.toggle('chip-busy', value.busy === true);
}

const drawer = () => document.getElementById(props.opens);
function turn(open) {
  drawer().classList.toggle('drawer-open', open);
  chip.setAttribute('aria-expanded', open);
}

chip.addEventListener('click', () => turn(!drawer().classList.contains('drawer-open')));
chip.addEventListener('keydown', event => { if (event.key === 'Escape') turn(false); });
setInterval(() => {
  if (document.hidden || !element.isConnected || Date.now() - last < props.seconds * 1000) return;
  last = Date.now();
  trigger('tick', {seen: text.textContent});
}, 500);
watch('value', show);
show();
