// The course map: an arc for each need that is not simply the lesson before; point at a lesson and its needs light up.
// The list says the same in words, so nothing is lost without this.

const NS = "http://www.w3.org/2000/svg";
const course = document.querySelector("#course");
const stops = new Map([...course.querySelectorAll(".stop")].map((stop) => [Number(stop.dataset.no), stop]));
const needsOf = (stop) => (stop.dataset.needs ?? "").split(" ").filter(Boolean).map(Number);

const arcs = document.createElementNS(NS, "svg");
arcs.classList.add("arcs");
arcs.setAttribute("aria-hidden", "true");
course.append(arcs);

/** The middle of a lesson's row, in pixels from the top of the list. */
function middle(number) {
  const box = stops.get(number).getBoundingClientRect();
  return box.top + box.height / 2 - course.getBoundingClientRect().top;
}

/** A curve that leaves the race at one lesson and comes back at another, wider the further it goes. */
function curve(x, from, to, widest) {
  const reach = Math.min(widest, 14 + Math.sqrt(to - from) * 2.2);
  const half = (from + to) / 2;
  const out = x - reach;
  return `M${x} ${from}C${out} ${from + 2} ${out} ${half - 10} ${out} ${half}C${out} ${half + 10} ${out} ${to - 2} ${x} ${to}`;
}

function draw() {
  const gutter = parseFloat(getComputedStyle(course).getPropertyValue("--gut"));
  arcs.setAttribute("height", course.offsetHeight);
  arcs.replaceChildren();
  for (const [number, stop] of stops) {
    for (const need of needsOf(stop)) {
      if (need === number - 1 || !stops.has(need)) continue;
      const path = document.createElementNS(NS, "path");
      path.dataset.from = need;
      path.dataset.to = number;
      path.setAttribute("d", curve(gutter - 30, middle(need), middle(number), gutter - 34));
      arcs.append(path);
    }
  }
}

/** Light up the arcs of one lesson and the lessons it needs; null puts all out. */
function show(number) {
  for (const path of arcs.children) {
    path.classList.toggle("hot", Number(path.dataset.to) === number || Number(path.dataset.from) === number);
  }
  const needs = number === null ? [] : needsOf(stops.get(number));
  for (const [other, stop] of stops) stop.classList.toggle("near", needs.includes(other));
}

for (const kind of ["pointerover", "focusin"]) {
  course.addEventListener(kind, (event) => {
    const stop = event.target.closest(".stop");
    if (stop) show(Number(stop.dataset.no));
  });
}
for (const kind of ["pointerleave", "focusout"]) course.addEventListener(kind, () => show(null));

new ResizeObserver(draw).observe(course);
document.fonts?.ready.then(draw);
