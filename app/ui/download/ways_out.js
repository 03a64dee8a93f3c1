// The button beside the download, whose script follows.

element.querySelector('.panel-correct').addEventListener('click', () => trigger('correct'));
