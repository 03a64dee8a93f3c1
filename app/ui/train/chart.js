// One curve over the updates of a run: axes with few numbers, a line, or dots where there are few points, and the base
// as a dashed line. The colours are the page's.

const SVG = 'http://www.w3.org/2000/svg', WIDE = 420, HIGH = 170, LEFT = 44, RIGHT = 10, TOP = 8, BOTTOM = 22;

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

const short = value => value === 0 ? '0' : Math.abs(value) >= 100 ? value.toFixed(0)
  : Math.abs(value) < .001 ? value.toExponential(0) : String(Number(value.toPrecision(3)));

// points: [[step, value]…]; of: the last step there will be; base: a value or null; whole: from 0 to 1.
function chart(svg, {points, of, base, whole, told}) {
  const values = [...points.map(point => point[1]), ...(base === null ? [] : [base])];
  const low = whole ? 0 : Math.min(0, ...values), high = whole ? 1 : Math.max(...values) * 1.05 || 1;
  const last = Math.max(of || 0, points.length ? points[points.length - 1][0] : 0, 1);
  const x = step => LEFT + step / last * (WIDE - LEFT - RIGHT);
  const y = value => HIGH - BOTTOM - (value - low) / (high - low) * (HIGH - TOP - BOTTOM);
  const parts = [];
  for (const share of [0, .5, 1]) {
    const value = low + share * (high - low), step = Math.round(share * last);
    parts.push(node('line', {class: 'live-grid', x1: LEFT, x2: WIDE - RIGHT, y1: y(value), y2: y(value)}),
      node('text', {x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end'}, short(value)),
      node('text', {x: x(step), y: HIGH - 6, 'text-anchor': share === 0 ? 'start' : share === 1 ? 'end' : 'middle'},
        share === 1 ? `update ${step}` : String(step)));
  }
  if (base !== null) {
    parts.push(node('line', {class: 'live-base', x1: LEFT, x2: WIDE - RIGHT, y1: y(base), y2: y(base)}),
      node('text', {x: WIDE - RIGHT, y: y(base) + (y(base) < 24 ? 14 : -5), 'text-anchor': 'end'}, 'base'));
  }
  if (points.length > 1) {
    parts.push(node('polyline', {class: 'live-line', points: points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`)
      .join(' ')}));
  }
  if (points.length < 40) {
    parts.push(...points.map(([s, v]) => node('circle', {class: 'live-dot', cx: x(s), cy: y(v), r: 3.5})));
  }
  const newest = points[points.length - 1];
  svg.setAttribute('aria-label', newest ? `${told}: ${short(newest[1])} after update ${newest[0]}` : told);
  svg.replaceChildren(...parts);
}
