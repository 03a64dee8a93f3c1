// What is known of a model before it is added, through textContent.

const facts = element.querySelector('.seen-facts'), problem = element.querySelector('.seen-problem');

function show() {
  const value = props.value || {facts: [], problem: ''};
  facts.replaceChildren(...value.facts.flatMap(([name, words]) => {
    const term = document.createElement('dt'), said = document.createElement('dd');
    term.textContent = name;
    said.append(...linked(words));
    return [term, said];
  }));
  problem.replaceChildren(...linked(value.problem));
  element.querySelector('.seen').hidden = !value.facts.length && !value.problem;
}

watch('value', show);
show();
