// Text with the Hub's own addresses as links: where a licence is accepted. No other address becomes one.

const HUB = /(https:\/\/huggingface\.co\/[\w./-]*[\w-])/;

function linked(text) {
  return text.split(HUB).map((part, n) => {
    if (n % 2 === 0) return part;
    const made = document.createElement('a');
    made.href = part;
    made.target = '_blank';
    made.rel = 'noopener noreferrer';
    made.textContent = part;
    return made;
  });
}
