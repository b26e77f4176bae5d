
// Of each file: [name, page, state, verdict, language, speakers, length in seconds, doubts, note]; null: not known.
const rows = JSON.parse(document.getElementById("rows").textContent);
const [NAME, PAGE, STATE, VERDICT, LANGUAGE, SPEAKERS, LENGTH, DOUBTS, NOTE] = Array(9).keys();
const RANKS = { [STATE]: ["failed", "waiting", "done"], [VERDICT]: ["bad", "check", "good"] };
const SPARE_ROWS = 10;

const search = document.getElementById("search");
const list = document.getElementById("files");
const body = list.querySelector("tbody");
const texts = rows.map((row) => [NAME, STATE, VERDICT, LANGUAGE, NOTE].map((column) => row[column]).join("\n").toLowerCase());
let shown = rows;
let rowHeight = 0;
let first = -1;

function clock(seconds) {
  if (seconds === null) return "";
  const two = (number) => String(Math.floor(number) % 60).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(seconds / 60)}:${two(seconds)}`;
}

function cell(text, className) {
  const made = document.createElement("td");
  made.textContent = made.title = text ?? "";
  made.className = className;
  return made;
}

function nameCell(row) {
  const made = cell(row[NAME], "file");
  if (!row[PAGE]) return made;
  const link = document.createElement("a");
  link.href = row[PAGE];
  link.append(...made.childNodes);
  made.append(link);
  return made;
}

function rowElement(row) {
  const made = document.createElement("tr");
  made.append(
    nameCell(row), cell(row[STATE], row[STATE]), cell(row[VERDICT], row[VERDICT]), cell(row[LANGUAGE], ""),
    cell(row[SPEAKERS], "number"), cell(clock(row[LENGTH]), "number"), cell(row[DOUBTS] || "", "number"),
    cell(row[NOTE], "note"),
  );
  return made;
}

function space(height) {
  const made = document.createElement("tr");
  made.className = "space";
  made.append(document.createElement("td"));
  made.style.height = `${height}px`;
  return made;
}

// Only the rows in sight are elements: ten thousand would take seconds.
function showRows(from, to) {
  first = from;
  body.replaceChildren(
    space(from * rowHeight), ...shown.slice(from, to).map(rowElement), space(Math.max(shown.length - to, 0) * rowHeight),
  );
}

function showInSight() {
  const from = Math.max(Math.floor(list.scrollTop / rowHeight) - SPARE_ROWS, 0);
  if (Math.abs(from - first) < SPARE_ROWS / 2 && first >= 0) return;
  showRows(from, from + Math.ceil(list.clientHeight / rowHeight) + 2 * SPARE_ROWS);
}

function showAgain() {
  first = -1;
  list.scrollTop = 0;
  showInSight();
  document.getElementById("shown").textContent =
    shown.length === rows.length ? "" : `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
}

function filter() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = new Set(rows.filter((_, index) => wanted.every((word) => texts[index].includes(word))));
  shown = sorted.filter((row) => kept.has(row));
  showAgain();
}

// Numbers in names by their value; the lowest rank is the worst.
const collator = new Intl.Collator(undefined, { numeric: true });
let sorted = rows;

function compare(column, a, b) {
  const ranks = RANKS[column];
  if (ranks) return (a ? ranks.indexOf(a) : ranks.length) - (b ? ranks.indexOf(b) : ranks.length);
  if (typeof (a ?? b) === "string") return collator.compare(a, b);
  return (a ?? -1) - (b ?? -1);
}

function sortBy(heading) {
  const column = Number(heading.firstElementChild.dataset.column);
  const order = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  list.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  sorted = rows.toSorted((a, b) => sign * compare(column, a[column], b[column]));
  filter();
}

list.querySelectorAll("th").forEach((heading) => heading.firstElementChild.addEventListener("click", () => sortBy(heading)));
document.querySelectorAll("[data-word]").forEach((button) => button.addEventListener("click", () => {
  search.value = search.value === button.dataset.word ? "" : button.dataset.word;
  filter();
}));
search.addEventListener("input", filter);
list.addEventListener("scroll", showInSight, { passive: true });
addEventListener("resize", () => { first = -1; showInSight(); });
addEventListener("beforeprint", () => showRows(0, shown.length));
addEventListener("afterprint", showAgain);

showRows(0, 1);
rowHeight = body.children[1]?.getBoundingClientRect().height || 1;
showAgain();
