// Points of figures: templates that place all of them at once or one after another, three visibilities, names. The
// templates are those of app/skeletons.py, the joints that the question asks for, and those that a person made here.

const OWN = 'boxloop-templates', MOST_JOINTS = 100;
const STATES = ['visible', 'hidden', 'absent'];
const template = find('.editor-template'), maker = find('.editor-maker');
ownSkeletons = keptTemplates();

function templates() {
  const asked = view?.template ? [view.template] : [];
  return [...asked, ...props.skeletons, ...ownSkeletons];
}

function figure() { return templates()[Number(template.value)] || templates()[0]; }

function listTemplates() {
  const now = template.selectedIndex < 0 ? '' : template.options[template.selectedIndex].textContent, all = templates();
  template.replaceChildren(...all.map(({title}, n) => option(n, title)),
    option('new', 'Make one from the chosen object…'));
  const same = all.findIndex(({title}) => title === now);
  template.value = same >= 0 && !view?.template ? same : 0;
}

function option(value, text) {
  const made = document.createElement('option');
  made.value = value;
  made.textContent = text;
  return made;
}

// One click, one point: the next that the chosen object does not have; a new object where none is chosen.
function addPoint(x, y) {
  const {names, label} = figure(), only = one(), [px, py] = [inside(x, view.width), inside(y, view.height)];
  const lacking = only && only.points.findIndex(point => point.visibility === 'absent');
  if (only && lacking >= 0) {
    edit(`${only.points[lacking].name} placed`, altered(chosen, each => bent(each, lacking, [px, py])));
    return point(lacking);
  }
  const next = only ? names.find(name => !only.points.some(each => each.name === name)) : names[0];
  if (only && next === undefined) return say(`${only.label} has all of its ${names.length} points`);
  const made = {name: next, x: px, y: py, visibility: 'visible'};
  if (only) {
    edit(`${next} placed`, altered(chosen, each => ({points: [...each.points, made]})));
    return point(only.points.length);
  }
  const whole = drawnByHand(lastPointed || label || coming(), null, [made]);
  edit(`${whole.label}: ${next} placed`, [...items, whole], {choose: [whole.id]});
  point(0);
}

// A drag: the box, and in it all of the template's points where they usually are.
function addFigure([x1, y1, x2, y2]) {
  const {names, layout, label} = figure();
  const points = names.map((name, n) => ({name, x: inside(x1 + (x2 - x1) * layout[n][0], view.width),
    y: inside(y1 + (y2 - y1) * layout[n][1], view.height), visibility: 'visible'}));
  const whole = drawnByHand(lastPointed || label || coming(), [x1, y1, x2, y2], points);
  edit(`${whole.label} with ${points.length} points`, [...items, whole], {choose: [whole.id]});
  setTool('edit');
}

function point(n) {
  joint = n;
  refresh();
  const {name, visibility} = one().points[n];
  say(`${name || 'point'}, ${visibility}, ${n + 1} of ${one().points.length}`);
}

function nextJoint(by) {
  const only = one();
  if (!only?.points.length) return say('The chosen object has no points');
  const of = only.points.length;
  point(joint < 0 ? (by > 0 ? 0 : of - 1) : (joint + by + of) % of);
}

function setVisibility(state) {
  const only = one();
  if (!only || joint < 0) return say('Choose a point first: J goes through them');
  const n = joint, next = state || STATES[(STATES.indexOf(only.points[n].visibility) + 1) % 3];
  edit(`${only.points[n].name} is ${next}`, altered(chosen, each => ({points: each.points.map(
    (one, i) => i === n ? {...one, visibility: next} : one)})));
}

function removeJoint() {
  const n = joint, {points} = one();
  joint = -1;
  edit(`${points[n].name} deleted`, altered(chosen, each => ({points: each.points.filter((_, i) => i !== n)})));
}

// A template of one's own: the joints of the chosen object, where they lie in it, and the lines that are typed.
function askTemplate() {
  listTemplates();
  const only = one();
  if (!only || only.points.length < 2) return say('Choose an object with two points or more: they become the template');
  const names = only.points.map(each => each.name);
  maker.querySelector('.maker-title').value = only.label;
  maker.querySelector('.maker-names').value = names.join('; ');
  maker.querySelector('.maker-lines').value = names.slice(1).map((name, n) => `${names[n]} – ${name}`).join('; ');
  maker.showModal();
}

function makeTemplate() {
  const said = selector => maker.querySelector(selector).value;
  const split = text => text.split(';').map(part => part.trim()).filter(Boolean);
  const names = split(said('.maker-names')), only = one();
  const lines = split(said('.maker-lines')).map(line => line.split(/\s+[–-]\s+/));
  const wrong = lines.find(line => line.length !== 2 || !line.every(name => names.includes(name)));
  const problem = !said('.maker-title').trim() ? 'Give it a name.'
    : !only || names.length !== only.points.length || new Set(names).size < names.length
      ? `There are ${only?.points.length ?? 0} points, so it needs as many different names, separated by ;`
      : wrong ? `“${wrong.join(' – ')}” is no line between two of these names; write: neck – left hand` : '';
  maker.querySelector('.maker-problem').textContent = problem;
  if (problem) return;
  const [x1, y1, x2, y2] = only.box || around(only.points), part = (v, a, b) => (v - a) / (b - a || 1);
  const layout = only.points.map(({x, y}) => [part(x, x1, x2), part(y, y1, y2)]);
  const made = {title: said('.maker-title').trim(), label: only.label, names, lines, layout};
  ownSkeletons = [...ownSkeletons.filter(each => each.title !== made.title), made];
  try { localStorage.setItem(OWN, JSON.stringify(ownSkeletons)); } catch (refused) { forgetful(refused); }
  maker.close();
  listTemplates();
  const named = each => ({points: each.points.map((point, n) => ({...point, name: names[n]}))});
  edit('Named as the template says', altered(chosen, named));
  template.value = templates().findIndex(({title}) => title === made.title);
}

function keptTemplates() {
  try {
    const found = JSON.parse(localStorage.getItem(OWN) || '[]');
    const whole = ({names, lines, layout}) => names?.length <= MOST_JOINTS && lines && layout?.length === names.length;
    return found.filter(whole);
  } catch (refused) {
    forgetful(refused);
    return [];
  }
}
