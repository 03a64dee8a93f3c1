// The overlay that only shows: what Python sends is drawn. Joined behind drawing.js and what that needs.

function show() {
  const next = props.value && props.value.image ? props.value : null;
  hint.textContent = next ? '' : props.hint;
  svg.toggleAttribute('hidden', !next);
  if (!next) return clear();
  const same = view && view.image.url === next.image.url && view.width === next.width && view.height === next.height;
  const news = !same || told(view) !== told(next);
  view = next;
  if (!same) hang();
  if (news) draw();
}

function told({annotations, truth}) { return JSON.stringify([annotations, truth]); }

lookable();
zoomable();
root.addEventListener('overlay-news', soon);
new ResizeObserver(() => { measure(); soon(); }).observe(svg);
watch('value', show);   // gr.HTML takes every other word in quotes for the name of an event
show();
