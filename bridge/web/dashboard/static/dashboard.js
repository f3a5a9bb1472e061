// Keeps an open page up to date: asks every few seconds for the part that changes, and changes only what has changed.
const EVERY_MS = 5_000;
const AT_MOST_MS = 300_000;
const SAID_EVERY_MS = 30_000;

const live = document.getElementById("live");
const state = document.getElementById("state");
const stateText = document.getElementById("state-text");
const announcement = document.getElementById("announcement");

let etag = live.dataset.etag;
let wait = EVERY_MS;
let timer;
let saidAt = 0;
let said = answer();

// Focus, open details and scrolled boxes stay: what is there is written over in place, and never taken out and put back.
function become(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.importNode(fresh, true));
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    takeAttributes(old, fresh);
    takeAll(old, [...old.childNodes], [...fresh.childNodes]);
  } else if (old.data !== fresh.data) {
    old.data = fresh.data;
  }
}

function takeAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
}

function takeAll(parent, before, after) {
  after.forEach((node, index) => {
    if (index < before.length) become(before[index], node);
    else parent.append(document.importNode(node, true));
  });
  before.slice(after.length).forEach((node) => node.remove());
}

function show(name, text) {
  state.hidden = false;
  state.dataset.state = name;
  if (stateText.textContent !== text) stateText.textContent = text;
}

// Screen readers are told the answer when it changes, and not more than twice a minute.
function say() {
  if (answer() === said || Date.now() - saidAt < SAID_EVERY_MS) return;
  saidAt = Date.now();
  said = announcement.textContent = answer();
}

function answer() {
  return live.querySelector("[data-announce]").dataset.announce;
}

function showAges() {
  for (const age of live.querySelectorAll(".age")) {
    const text = `, ${inWords(Date.now() - Date.parse(age.previousElementSibling.dateTime))}`;
    if (age.textContent !== text) age.textContent = text;
  }
}

function inWords(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  const [number, unit] =
    minutes < 60 ? [minutes, "minute"] : minutes < 2_880 ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1_440), "day"];
  return number === 0 ? "just now" : `${number} ${unit}${number === 1 ? "" : "s"} ago`;
}

async function look() {
  const response = await fetch("live", {
    headers: { "If-None-Match": etag, Accept: "application/json" },
    cache: "no-store",
    redirect: "error",
  });
  if (response.status === 401 || response.status === 403) return false;
  if (response.status === 200) {
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body;
    takeAll(live, [...live.children], [...fresh.children]);
    etag = response.headers.get("ETag");
    say();
  } else if (response.status !== 304) {
    throw new Error(`answered ${response.status}`);
  }
  return true;
}

async function turn() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    if (!(await look())) return show("over", "Logged out: load the page again");
    wait = EVERY_MS;
    show("live", "Live");
  } catch {
    wait = Math.min(wait * 2, AT_MOST_MS);
    show("lost", "Out of touch, trying again");
  }
  showAges();
  clearTimeout(timer);
  timer = setTimeout(turn, wait * (0.9 + 0.2 * Math.random()));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return show("paused", "Paused");
  wait = EVERY_MS;
  turn();
});
document.getElementById("count")?.addEventListener("submit", (event) => {
  event.submitter.textContent = "Counting…";
  event.submitter.setAttribute("aria-busy", "true");
});
// A page that comes back from the browser's memory still says what it said when it was left.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

document.getElementById("by-hand").hidden = true;
showAges();
show("live", "Live");
timer = setTimeout(turn, EVERY_MS);
