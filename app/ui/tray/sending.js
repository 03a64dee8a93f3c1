// Files on their way to the server: from the dialog, from a folder, dropped or pasted; judged before they are sent.

let sending = Promise.resolve(), total = 0, done = 0;

function sayProgress() {
  put(progress, total ? `sending ${Math.min(done + 1, total)} of ${total}…` : (props.value && props.value.busy) || '');
}

function take(found, replace = false) {
  if (!found.length) return;
  refused = [];
  const fits = found.slice(0, props.most_files).filter(({file, name}) => {
    if (file.size <= props.biggest_file) return true;
    refused.push(`${name} has ${Math.ceil(file.size / 1048576)} MB; the limit is ${
      Math.floor(props.biggest_file / 1048576)} MB, so it was not sent`);
  });
  if (found.length > props.most_files) {
    refused.push(`${found.length} files are too many at once; the first ${props.most_files} were taken`);
  }
  total += fits.length;
  sayProgress();
  sayProblems();
  sending = sending.then(() => send(fits, replace));
}

async function send(found, replace) {
  const sent = new Array(found.length);
  let next = 0;
  await Promise.all(Array.from({length: SEND_AT_ONCE}, async () => {
    while (next < found.length) {
      const mine = next++, {file, name} = found[mine];
      try {
        const {path, url} = await upload(file);
        sent[mine] = {path, url, orig_name: name, meta: {_type: 'gradio.FileData'}};
      } catch (error) {
        refused.push(`${name} could not be sent: ${error.message || error}`);
      }
      done++;
      sayProgress();
    }
  }));
  const arrived = sent.filter(Boolean);
  if (done === total) total = done = 0;
  if (arrived.length) {
    tellTyped();
    change({sent: arrived, replace, busy: `looking at ${arrived.length === 1 ? 'the file' : `${arrived.length} files`}…`});
    trigger('upload');
  }
  sayProgress();
  sayProblems();
}

const named = file => ({file, name: file.webkitRelativePath || file.name || 'pasted.png'});

function fromFolder(found) {
  const seen = found.filter(({name}) => !JUNK.test(name)), usable = seen.filter(({name}) => USABLE.test(name));
  take(usable);
  if (usable.length === seen.length) return;
  refused.push(`${seen.length - usable.length} files of the folder are neither pictures nor lists and were left out`);
  sayProblems();
}

async function entriesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((good, bad) => entry.file(good, bad));
    return [{file, name: entry.fullPath.replace(/^\//, '')}];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {  // readEntries gives a hundred at a time
    const some = await new Promise((good, bad) => reader.readEntries(good, bad));
    if (!some.length) return found;
    for (const one of some) if (found.length <= props.most_files) found.push(...await entriesOf(one));
  }
}

async function dropped(transfer) {
  const plain = [], folders = [];  // read before the first await: the transfer is empty afterwards
  for (const item of [...transfer.items].filter(each => each.kind === 'file')) {
    const entry = item.webkitGetAsEntry && item.webkitGetAsEntry(), file = item.getAsFile();
    if (entry && entry.isDirectory) folders.push(entry);
    else if (file) plain.push(named(file));
  }
  take(plain);
  for (const entry of folders) {
    try {
      fromFolder(await entriesOf(entry));
    } catch (error) {
      refused.push(`the folder ${entry.name} could not be read: ${error.message || error}`);
      sayProblems();
    }
  }
}

files.addEventListener('change', () => {
  take([...files.files].map(named), replacing);
  replacing = false;
  files.value = '';
});
files.addEventListener('cancel', () => { replacing = false; });
folder.addEventListener('change', () => { fromFolder([...folder.files].map(named)); folder.value = ''; });
find('.tray-add').addEventListener('click', () => { replacing = false; files.click(); });
find('.tray-folder-button').addEventListener('click', () => folder.click());
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
  tray.addEventListener(name, event => {
    if (![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    tray.toggleAttribute('data-over', over);
    if (name === 'drop') dropped(event.dataTransfer);
  });
}
element.addEventListener('paste', event => {
  if (!event.clipboardData.files.length) return;  // text, for the caption
  event.preventDefault();
  take([...event.clipboardData.files].map(named));
});
