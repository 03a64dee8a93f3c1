// The words on a picture: a tag for each object, a name for each joint. They keep their size on the screen, cover each
// other nowhere, and stay inside what is seen of the picture. Needs `view`, `sight` and `unit` of drawing.js.

const TAG = {height: 18, padding: 5, size: 12, widest: .6};   // screen pixels; of the visible width
const NAME = {height: 14, size: 11, away: 9};
const pen = document.createElement('canvas').getContext('2d'), widths = new Map();

function words(annotations, truth) {
  const taken = [];   // the places that words already cover
  const made = annotations.map(each => tag(each, taken));
  for (const each of annotations) if (each.points.length > 1) made.push(...names(each, taken));
  for (const each of truth) made.push(tag(each, [], true));
  return made.filter(Boolean);
}

// A tag stands above its box, or where it hides no other tag. Those of the truth wait until one looks at it.
function tag(annotation, taken, waits = false) {
  const box = seen(annotation.box || around(annotation.points));
  const said = [annotation.label || annotation.points[0]?.name, scored(annotation)].filter(Boolean).join(' ');
  const full = waits ? `${beneath()}: ${said}` : said;
  if (!box || !full) return null;
  const whole = (sight[2] - sight[0]) / unit, widest = Math.min(whole, Math.max(120, whole * TAG.widest));
  const text = fitted(full, TAG.size, widest - 2 * TAG.padding);
  const width = textWidth(text, TAG.size) * unit + 2 * TAG.padding * unit, height = TAG.height * unit;
  const [x1, y1, x2, y2] = box;
  const {spot, crowded} = free([[x1, y1 - height], [x1, y1], [x2 - width, y1 - height], [x1, y2], [x2 - width, y2],
    [x1, y2 - height], [x2, y1], [x1 - width, y1]], width, height, taken);
  const group = node('g', {class: 'overlay-tag' + (waits ? ' of-truth crowded' : crowded), 'data-id': annotation.id});
  const paint = waits ? '#000000' : colour(annotation.label);
  group.append(node('rect', {x: spot[0], y: spot[1], width, height, fill: paint}),
    node('text', {x: spot[0] + TAG.padding * unit, y: spot[1] + height / 2, fill: inkOn(paint)}, text));
  return group;
}

function names({id, points}, taken) {
  const named = points.filter(point => point.visibility !== 'absent' && point.name && seen(around([point])));
  return named.map(({name, x, y}) => {
    const text = fitted(name, NAME.size, (sight[2] - sight[0]) / unit / 2);
    const width = textWidth(text, NAME.size) * unit, height = NAME.height * unit, away = NAME.away * unit;
    const {spot, crowded} = free([[x + away, y - height / 2], [x - away - width, y - height / 2],
      [x - width / 2, y - away - height], [x - width / 2, y + away]], width, height, taken);
    return node('text', {class: 'overlay-name' + crowded, 'data-id': id, x: spot[0], y: spot[1] + height / 2}, text);
  });
}

// The first of the places that is in sight and covers no other words. Where there is none the words are crowded: they
// wait, pushed into sight, until their object is looked at.
function free(spots, width, height, taken) {
  const [left, top, right, bottom] = sight;
  const within = (value, least, most) => Math.max(least, Math.min(value, most));
  const inside = ([x, y]) => [within(x, left, right - width), within(y, top, bottom - height)];
  const covers = ([x, y]) => taken.some(([a, b, c, d]) => x < c && a < x + width && y < d && b < y + height);
  const fits = ([x, y]) => y >= top && y + height <= bottom;
  const spot = spots.filter(fits).map(inside).find(place => !covers(place));
  if (!spot) return {spot: inside(spots.find(fits) || spots[0]), crowded: ' crowded'};
  taken.push([...spot, spot[0] + width, spot[1] + height]);
  return {spot, crowded: ''};
}

// The part of a box that is in sight, or null.
function seen([x1, y1, x2, y2]) {
  const [left, top, right, bottom] = sight;
  if (x1 > right || x2 < left || y1 > bottom || y2 < top) return null;
  return [Math.max(x1, left), Math.max(y1, top), Math.min(x2, right), Math.min(y2, bottom)];
}

function around(points) {
  const there = points.filter(point => point.visibility !== 'absent'), all = there.length ? there : points;
  const xs = all.map(point => point.x), ys = all.map(point => point.y), margin = NAME.away * unit;
  return [Math.min(...xs) - margin, Math.min(...ys) - margin, Math.max(...xs) + margin, Math.max(...ys) + margin];
}

// Black or white, whichever has more contrast on the colour (WCAG's relative luminance).
function inkOn(paint) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(paint.slice(i, i + 2), 16) / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b > .179 ? '#000' : '#fff';
}

// Measured once: a zoom asks for the same words in every frame.
function textWidth(text, size) {
  const font = `600 ${size}px ${family}`, known = `${font} ${text}`;
  if (widths.size > 5000) widths.clear();
  if (!widths.has(known)) {
    pen.font = font;
    widths.set(known, pen.measureText(text).width);
  }
  return widths.get(known);
}

function fitted(text, size, width) {
  if (textWidth(text, size) <= width) return text;
  const letters = [...text];
  let few = 0, many = letters.length;
  while (few < many - 1) {
    const half = (few + many) >> 1;
    if (textWidth(letters.slice(0, half).join('') + '…', size) <= width) few = half; else many = half;
  }
  return letters.slice(0, few).join('') + '…';
}

function scored({score}) { return score == null ? '' : score.toFixed(2); }
