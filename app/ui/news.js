// Asks for news every so many seconds, and only while the component can be seen; at once when it comes into sight.

function askWhileSeen(seconds, ask) {
  let asked = 0, seen = false;
  setInterval(() => {
    const sees = !document.hidden && element.isConnected && element.offsetParent !== null;
    if (sees && (!seen || Date.now() - asked > seconds * 1000)) {
      asked = Date.now();
      ask();
    }
    seen = sees;
  }, 250);
}
