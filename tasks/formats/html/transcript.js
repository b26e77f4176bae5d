
const audio = document.querySelector("audio");
const speed = document.getElementById("speed");
const search = document.getElementById("search");
const STEP_S = 3;

// Words by time: the text of speakers who talk at once is not in that order.
const words = [...document.querySelectorAll("span[data-t]")]
  .map((element) => ({ element, time: Number(element.dataset.t) }))
  .sort((a, b) => a.time - b.time);
let now = null;
let sought = -1; // where a page without a player is

function wordAt(time) {
  let low = 0, high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle].time <= time) low = middle + 1; else high = middle;
  }
  return words[low - 1]?.element ?? null;
}

function showNow(time) {
  const word = wordAt(time);
  if (word === now) return;
  now?.classList.remove("now");
  word?.classList.add("now");
  if (word && word.parentElement.closest("p") !== now?.parentElement.closest("p")) {
    word.scrollIntoView({ block: "nearest" });
  }
  now = word;
}

function follow() {
  showNow(audio.currentTime);
  if (!audio.paused) requestAnimationFrame(follow);
}

function seek(time) {
  sought = time;
  if (audio) audio.currentTime = Math.max(time, 0);
  showNow(time);
}

function play(time) {
  seek(time);
  audio?.play().catch(() => {}); // the error event says why
}

function setSpeed(step) {
  speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + step, 0), speed.options.length - 1);
  audio.playbackRate = Number(speed.value);
}

if (audio) {
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", () => showNow(audio.currentTime));
  audio.addEventListener("error", () => { document.getElementById("problem").hidden = false; });
  document.getElementById("back").addEventListener("click", () => seek(audio.currentTime - STEP_S));
  speed.addEventListener("change", () => setSpeed(0));
}

document.addEventListener("click", (event) => {
  const timed = event.target.closest("[data-t]");
  const selecting = timed?.tagName === "SPAN" && !getSelection().isCollapsed;
  if (timed && !selecting) play(Number(timed.dataset.t));
});

// The index of the batch leads to a time: transcript.html#t=83.2
function followAddress() {
  const time = /^#t=([\d.]+)$/.exec(location.hash)?.[1];
  if (time === undefined) return;
  seek(Number(time));
  now?.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", followAddress);
followAddress();

const texts = [...document.querySelectorAll("main section > p")].map((paragraph) => {
  const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT,
    (node) => node.parentElement.closest(".note, .gap") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  return nodes;
});
let found = [];
let current = -1;

// As long as before, so that places in it are places in the text.
function folded(text) {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}

function find(query) {
  const wanted = folded(query.trim().replace(/\s+/g, " "));
  found = [];
  for (const nodes of wanted ? texts : []) {
    const parts = nodes.map((node) => folded(node.data));
    const text = parts.join("");
    const ends = [];
    let length = 0;
    for (const part of parts) ends.push(length += part.length);
    const place = (at, isEnd) => {
      const index = ends.findIndex((end) => isEnd ? at <= end : at < end);
      return [nodes[index], at - (index ? ends[index - 1] : 0)];
    };
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = document.createRange();
      range.setStart(...place(at, false));
      range.setEnd(...place(at + wanted.length, true));
      found.push(range);
    }
  }
  CSS.highlights.set("found", new Highlight(...found));
  current = -1;
  showMatch(1);
}

function showMatch(step) {
  current = found.length ? (current + step + found.length) % found.length : -1;
  const range = found[current];
  CSS.highlights.set("current", new Highlight(...(range ? [range] : [])));
  document.getElementById("found").textContent = search.value.trim() ? `${current + 1} of ${found.length}` : "";
  range?.startContainer.parentElement.scrollIntoView({ block: "center" });
}

search.addEventListener("input", () => find(search.value));
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") showMatch(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") { search.value = ""; find(""); search.blur(); }
});

const doubtful = [...new Set([...document.querySelectorAll("#doubts [data-t]")].map((each) => Number(each.dataset.t)))]
  .sort((a, b) => a - b);

function nextDoubt(step) {
  const time = audio ? audio.currentTime : sought;
  const near = 0.05; // a browser seeks to the nearest frame
  const next = step > 0 ? doubtful.find((each) => each > time + near) : doubtful.findLast((each) => each < time - near);
  if (next === undefined) return;
  play(next);
  now?.scrollIntoView({ block: "center" });
}

const KEYS = {
  " ": () => audio && (audio.paused ? play(audio.currentTime) : audio.pause()),
  ArrowLeft: () => audio && seek(audio.currentTime - STEP_S),
  ArrowRight: () => audio && seek(audio.currentTime + STEP_S),
  "-": () => audio && setSpeed(-1),
  "+": () => audio && setSpeed(1),
  n: () => nextDoubt(1),
  p: () => nextDoubt(-1),
  "/": () => search.focus(),
};

// Before the player of the browser, which has keys of its own.
document.addEventListener("keydown", (event) => {
  const inField = event.target.closest("input, select, textarea");
  const pressed = event.key === " " && event.target.closest("button, summary, a");
  if (inField || pressed || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
}, true);
