// The button beside the download, whose script came before.

element.querySelector('.panel-correct').addEventListener('click', () => trigger('correct'));
