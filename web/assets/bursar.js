// Everything works without this file. It keeps open pages fresh, times relative, and adds keys.
"use strict";

const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" });

function relative(then) {
  const seconds = (then - Date.now()) / 1000;
  if (Math.abs(seconds) < 45) return seconds > 5 ? "in a moment" : "just now";
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size || unit === "minute") return words.format(Math.round(seconds / size) || Math.sign(seconds), unit);
  }
}

function freshenTimes(root) {
  for (const el of root.querySelectorAll("time[data-relative]")) el.textContent = relative(new Date(el.dateTime).getTime());
}
freshenTimes(document);
setInterval(() => freshenTimes(document), 30000);

// Parts marked data-live are fetched again when something was stored, unless somebody is in the middle of using them.
const live = () => [...document.querySelectorAll("[data-live][id]")];
if (live().length && window.EventSource) {
  let busy = false, again = false;
  const inUse = (el) => el.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button")
    || el.querySelector("input:checked") || !getSelection().isCollapsed;
  const refresh = async () => {
    if (busy || document.hidden) { again = true; return; }
    busy = true; again = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.reload(); return; }
      if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const el of live()) {
          const fresh = next.getElementById(el.id);
          if (!fresh || inUse(el) || fresh.innerHTML === el.dataset.last) continue;
          const open = [...el.querySelectorAll("details[open][id]")].map((d) => d.id);
          el.dataset.last = fresh.innerHTML;
          el.replaceChildren(...fresh.childNodes);
          for (const id of open) document.getElementById(id)?.setAttribute("open", "");
          freshenTimes(el);
        }
      }
    } catch { /* the next change tries again */ } finally {
      busy = false;
      if (again) setTimeout(refresh, 500);
    }
  };
  // Only the page in front listens: browsers open six connections to a site, and each stream takes one. A
  // page that was left may live on in the history.
  let stream;
  const hush = () => { stream?.close(); stream = undefined; };
  const listen = () => {
    if (document.hidden) return hush();
    if (stream) return;
    stream = new EventSource("/admin/live");
    stream.addEventListener("changed", refresh);
  };
  listen();
  document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) refresh(); });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (e) => { if (e.persisted) { listen(); refresh(); } });
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable]")) return;
  const help = document.getElementById("help");
  if (e.key === "/") { document.getElementById("search")?.focus(); e.preventDefault(); }
  if (e.key === "?" && help) { help.open ? help.close() : help.showModal(); e.preventDefault(); }
});

document.addEventListener("change", (e) => {
  if (!e.target.matches("[data-all]")) return;
  for (const box of e.target.form?.querySelectorAll("input[type=checkbox][name]") ?? []) box.checked = e.target.checked;
});

// The menu under More closes by a click elsewhere and by Escape.
const more = document.getElementById("more-pages");
document.addEventListener("click", (e) => { if (more?.open && !more.contains(e.target)) more.open = false; });
more?.addEventListener("keydown", (e) => { if (e.key === "Escape") { more.open = false; more.querySelector("summary").focus(); } });

// Passkeys. A form marked data-passkey asks for options, lets the browser create or get one with them, and posts what it says.
const keys = window.PublicKeyCredential;
for (const form of keys?.parseRequestOptionsFromJSON ? document.querySelectorAll("form[data-passkey]") : []) {
  form.hidden = false;
  document.querySelector("[data-without-passkeys]")?.remove();
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const button = form.querySelector("button"), alert = form.querySelector("[role=alert]"), create = form.dataset.passkey === "create";
    button.disabled = alert.hidden = true;
    try {
      const answer = await fetch(form.dataset.options, { method: "POST", credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status === 429 ? "These were too many tries. Wait a minute, then try again." : "The server says no. Load the page again, then try again.");
      const options = await answer.json();
      const key = create ? await navigator.credentials.create({ publicKey: keys.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: keys.parseRequestOptionsFromJSON(options) });
      form.elements.answer.value = JSON.stringify(key.toJSON());
      form.submit();
    } catch (error) {
      alert.textContent = error.name === "InvalidStateError" ? "This device has a passkey for Bursar already."
        : error.name === "NotAllowedError" ? "The browser did not use a passkey: it was cancelled, took too long, or there is none." : error.message;
      alert.hidden = button.disabled = false;
    }
  });
}

// A button that was pressed is not pressed twice.
document.addEventListener("submit", (e) => {
  if (e.defaultPrevented) return;
  setTimeout(() => { for (const b of e.target.querySelectorAll("button")) b.disabled = true; });
});
addEventListener("pageshow", () => { for (const b of document.querySelectorAll("button[disabled]")) b.disabled = false; });
