// Keeps a page as fresh as it looks: every 15 seconds it is fetched again and put in the place of the old one. Without
// this file the pages work too. When the connection is lost the page says so: an old dashboard must not look like a calm one.
"use strict";
(() => {
  const EVERY_MS = 15000;
  const PATIENCE_MS = 10000;
  const fresh = document.getElementById("fresh");
  const stale = document.getElementById("stale");
  const said = document.getElementById("said");
  if (!fresh || !fresh.dataset.refresh) return;

  // Nobody's half-written note is taken away.
  const isWriting = () => [...fresh.querySelectorAll("textarea, input:not([type=hidden])")].some(
    (field) => field === document.activeElement || field.value !== field.defaultValue);

  function take(page) {
    const next = page.getElementById("fresh");
    if (!next) throw new Error("not our page");
    const open = [...fresh.querySelectorAll("details[open][id]")].map((one) => one.id);
    const focused = document.activeElement && document.activeElement.id;
    const headline = () => (fresh.querySelector("h1") || {}).textContent;
    const before = headline();
    fresh.replaceChildren(...next.childNodes);
    document.title = page.title;
    for (const id of open) {
      const one = document.getElementById(id);
      if (one) one.open = true;
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    if (headline() !== before) said.textContent = headline(); // read aloud only when it says something new
    const note = page.getElementById("stale");
    if (note) stale.textContent = note.textContent;
  }

  async function turn() {
    if (document.hidden || isWriting()) return;
    try {
      const answer = await fetch(fresh.dataset.refresh, {
        headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.status === 401 || answer.status === 403) return void location.reload();
      if (answer.status === 429) return; // asked too often: the next turn will do
      if (!answer.ok) throw new Error(String(answer.status));
      take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }

  setInterval(turn, EVERY_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
})();
