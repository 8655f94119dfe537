// Keys, and results put in place. Without it every page works by links and forms.
"use strict";
const typing = (target) => target.closest && target.closest("input, textarea, select, [contenteditable]");
const follow = (selector) => {
  const link = document.querySelector(selector);
  if (link) location.assign(link.href);
};
const items = () => [...document.querySelectorAll("[data-items] a.item")];

function move(step) {
  const all = items();
  if (!all.length) return follow(step > 0 ? 'link[rel="next"]' : 'link[rel="prev"]');
  const at = all.indexOf(document.activeElement);
  if (step > 0 && at === all.length - 1) return follow('link[rel="next"]');
  if (step < 0 && at === 0) return follow('link[rel="prev"]');
  all[Math.max(0, at + step)].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "j") return move(1);
  if (event.key === "k") return move(-1);
  if (event.key === "?") return location.assign("/keys");
  const key = CSS.escape(event.key);
  const field = document.querySelector(`[data-focus-key="${key}"]`);
  if (field) {
    event.preventDefault();
    field.focus();
    return;
  }
  const button = document.querySelector(`[data-key="${key}"]`);
  if (button) button.click();
});

async function inPlace(event) {
  event.preventDefault();
  const form = event.target;
  const place = document.getElementById(form.dataset.inPlace);
  place.textContent = "Running …";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const result = page.querySelector(".result");
    if (result) place.replaceChildren(document.adoptNode(result));
    else place.textContent = page.body.textContent;
  } catch (error) {
    place.textContent = `No answer: ${error}`;
  }
}
for (const form of document.querySelectorAll("form[data-in-place]")) form.addEventListener("submit", inPlace);
